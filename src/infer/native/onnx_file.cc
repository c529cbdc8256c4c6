// SPDX-License-Identifier: Apache-2.0
#include "infer/native/onnx_file.h"

#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <optional>

namespace tidewatch::native {
namespace {

using Bytes = std::span<const std::byte>;

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;  // of a varint
  Bytes bytes;              // of kBytes and kFixed32
};

Error damaged(std::string_view what) {
  return {Code::kDataLoss, fmt::format("damaged, or not an ONNX file: {}", what)};
}

// Takes the fields of one message, first to last.
class Fields {
 public:
  explicit Fields(Bytes bytes) : rest_(bytes) {}
  bool done() const noexcept { return rest_.empty(); }

  std::optional<std::uint64_t> varint() {
    constexpr unsigned kBitsMax = 64;
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < kBitsMax && !rest_.empty(); shift += 7) {
      const auto byte = std::to_integer<std::uint64_t>(rest_.front());
      rest_ = rest_.subspan(1);
      value |= (byte & 0x7FU) << shift;
      if (byte < 0x80U) return value;
    }
    return std::nullopt;
  }

  std::optional<Field> next() {
    const auto key = varint();
    if (!key || *key >> 3 == 0 || *key >> 3 > 0x1FFF'FFFFU) return std::nullopt;
    Field field;
    field.number = static_cast<std::uint32_t>(*key >> 3);
    field.wire = static_cast<Wire>(*key & 7U);
    std::optional<std::uint64_t> length;
    switch (field.wire) {
      case Wire::kVarint: {
        const auto value = varint();
        if (!value) return std::nullopt;
        field.value = *value;
        return field;
      }
      case Wire::kFixed64:
        length = 8;
        break;
      case Wire::kFixed32:
        length = 4;
        break;
      case Wire::kBytes:
        length = varint();
        break;
    }
    if (!length || *length > rest_.size()) return std::nullopt;
    field.bytes = rest_.first(static_cast<std::size_t>(*length));
    rest_ = rest_.subspan(static_cast<std::size_t>(*length));
    return field;
  }

 private:
  Bytes rest_;
};

std::string_view text_of(const Field& field) {
  return {reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size()};
}

// Calls visit(field), which returns a Status, for each field of a message.
template <typename Visit>
Status for_each_field(Bytes message, std::string_view what, Visit visit) {
  Fields fields(message);
  while (!fields.done()) {
    const auto field = fields.next();
    if (!field) return damaged(what);
    TRY(visit(*field));
  }
  return {};
}

template <typename T>
Status append(std::vector<T>& list, T item) {
  if (list.size() >= kOnnxItemsMax) return damaged("a list is too long");
  list.push_back(std::move(item));
  return {};
}

Status need(const Field& field, Wire wire) {
  if (field.wire != wire) return damaged(fmt::format("field {} is of another kind", field.number));
  return {};
}

// A repeated integer, one by one or packed.
Status append_integers(const Field& field, std::vector<std::int64_t>& to) {
  if (field.wire == Wire::kVarint) return append(to, static_cast<std::int64_t>(field.value));
  TRY(need(field, Wire::kBytes));
  Fields packed(field.bytes);
  while (!packed.done()) {
    const auto value = packed.varint();
    if (!value) return damaged("a list of integers");
    TRY(append(to, static_cast<std::int64_t>(*value)));
  }
  return {};
}

std::size_t bytes_of(OnnxType type) {
  switch (type) {
    case OnnxType::kHalf:
      return 2;
    case OnnxType::kFloat:
    case OnnxType::kInt32:
      return 4;
    case OnnxType::kInt64:
      return 8;
    case OnnxType::kOther:
      break;
  }
  return 0;
}

OnnxType type_of(std::uint64_t number) {
  for (const OnnxType type :
       {OnnxType::kFloat, OnnxType::kInt32, OnnxType::kInt64, OnnxType::kHalf}) {
    if (number == static_cast<std::uint64_t>(type)) return type;
  }
  return OnnxType::kOther;
}

Result<OnnxTensor> parse_tensor(Bytes message) {
  OnnxTensor tensor;
  const Status read = for_each_field(message, "a tensor", [&](const Field& field) -> Status {
    switch (field.number) {
      case 1:
        return append_integers(field, tensor.dims);
      case 2:
        TRY(need(field, Wire::kVarint));
        tensor.type = type_of(field.value);
        return {};
      case 8:
        TRY(need(field, Wire::kBytes));
        tensor.name = text_of(field);
        return {};
      case 9:
        TRY(need(field, Wire::kBytes));
        tensor.raw = field.bytes;
        return {};
      default:
        return {};
    }
  });
  if (!read) return read.error();
  if (tensor.type == OnnxType::kOther) tensor.raw = {};
  if (tensor.raw.empty()) return tensor;
  std::uint64_t bytes = bytes_of(tensor.type);
  for (const std::int64_t dim : tensor.dims) {
    if (dim < 0 || static_cast<std::uint64_t>(dim) > kOnnxBytesMax) return damaged("a shape");
    bytes *= static_cast<std::uint64_t>(dim);
    if (bytes > kOnnxBytesMax) return damaged("a shape");
  }
  if (bytes != tensor.raw.size()) {
    return damaged(fmt::format("tensor '{}' has {} bytes where its shape needs {}", tensor.name,
                               tensor.raw.size(), bytes));
  }
  return tensor;
}

Result<OnnxAttribute> parse_attribute(Bytes message) {
  OnnxAttribute attribute;
  const Status read = for_each_field(message, "an attribute", [&](const Field& field) -> Status {
    if (field.number == 1) {
      TRY(need(field, Wire::kBytes));
      attribute.name = text_of(field);
    }
    if (field.number == 2) {
      TRY(need(field, Wire::kFixed32));
      std::memcpy(&attribute.real, field.bytes.data(), sizeof attribute.real);
    }
    if (field.number == 3 || field.number == 8) return append_integers(field, attribute.ints);
    return {};
  });
  if (!read) return read.error();
  return attribute;
}

Result<OnnxNode> parse_node(Bytes message) {
  OnnxNode node;
  const Status read = for_each_field(message, "a node", [&](const Field& field) -> Status {
    if (field.number > 7) return {};
    TRY(need(field, Wire::kBytes));
    switch (field.number) {
      case 1:
        return append(node.inputs, text_of(field));
      case 2:
        return append(node.outputs, text_of(field));
      case 3:
        node.name = text_of(field);
        return {};
      case 4:
        node.op = text_of(field);
        return {};
      case 5: {
        TRY_ASSIGN(OnnxAttribute attribute, parse_attribute(field.bytes));
        return append(node.attributes, std::move(attribute));
      }
      case 7:
        node.domain = text_of(field);
        return {};
      default:
        return {};
    }
  });
  if (!read) return read.error();
  return node;
}

Status parse_graph(Bytes message, OnnxModel& model) {
  return for_each_field(message, "the graph", [&](const Field& field) -> Status {
    switch (field.number) {
      case 1: {
        TRY(need(field, Wire::kBytes));
        TRY_ASSIGN(OnnxNode node, parse_node(field.bytes));
        return append(model.nodes, std::move(node));
      }
      case 5: {
        TRY(need(field, Wire::kBytes));
        TRY_ASSIGN(OnnxTensor tensor, parse_tensor(field.bytes));
        return append(model.initializers, std::move(tensor));
      }
      case 12: {
        TRY(need(field, Wire::kBytes));
        std::string_view name;
        const Status read =
            for_each_field(field.bytes, "an output", [&](const Field& part) -> Status {
              if (part.number == 1 && part.wire == Wire::kBytes) name = text_of(part);
              return {};
            });
        if (!read) return read.error();
        return append(model.outputs, name);
      }
      default:
        return {};
    }
  });
}

Status parse_property(Bytes message, WeightsMetadata& metadata) {
  std::string_view key;
  std::string_view value;
  const Status read = for_each_field(message, "a property", [&](const Field& field) -> Status {
    if (field.number > 2) return {};
    TRY(need(field, Wire::kBytes));
    (field.number == 1 ? key : value) = text_of(field);
    return {};
  });
  if (!read) return read.error();
  if (metadata.size() >= kOnnxItemsMax) return damaged("a list is too long");
  metadata.insert_or_assign(std::string{key}, std::string{value});
  return {};
}

}  // namespace

Result<OnnxModel> parse_onnx(std::span<const std::byte> bytes) {
  OnnxModel model;
  bool graph = false;
  const Status read =
      for_each_field(bytes, "its outermost fields", [&](const Field& field) -> Status {
        if (field.number == 7) {
          TRY(need(field, Wire::kBytes));
          if (graph) return damaged("two graphs");
          graph = true;
          return parse_graph(field.bytes, model);
        }
        if (field.number == 14) {
          TRY(need(field, Wire::kBytes));
          return parse_property(field.bytes, model.metadata);
        }
        return {};
      });
  if (!read) return read.error();
  if (!graph) return damaged("no graph");
  return model;
}

Result<std::vector<std::byte>> read_file(const std::filesystem::path& file) {
  std::error_code failed;
  const std::uintmax_t size = std::filesystem::file_size(file, failed);
  std::ifstream in(file, std::ios::binary);
  if (failed || !in) {
    return Error{Code::kNotFound, fmt::format("{}: cannot be read", file.string())};
  }
  if (size > kOnnxBytesMax) {
    return Error{Code::kDataLoss, fmt::format("{}: {} bytes are too many", file.string(), size)};
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!in) return Error{Code::kNotFound, fmt::format("{}: cannot be read", file.string())};
  return bytes;
}

}  // namespace tidewatch::native
