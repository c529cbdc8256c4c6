// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/trained_labels.h"

namespace tidewatch::native {

// The numbers that ONNX gives to the types of values that we read.
enum class OnnxType : std::uint8_t { kOther = 0, kFloat = 1, kInt32 = 6, kInt64 = 7, kHalf = 10 };

// A constant of the graph. `raw` is little-endian, row-major and exactly as long as type and dims
// say; empty for kOther and where a file keeps its values elsewhere.
struct OnnxTensor {
  std::string_view name;
  OnnxType type = OnnxType::kOther;
  std::vector<std::int64_t> dims;
  std::span<const std::byte> raw;
};

struct OnnxAttribute {
  std::string_view name;
  std::vector<std::int64_t> ints;  // one for an INT; empty for attributes of other kinds
  float real = 0;                  // of a FLOAT
};

struct OnnxNode {
  std::string_view name;
  std::string_view op;
  std::string_view domain;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<OnnxAttribute> attributes;
};

// What we need of an ONNX file. Views into the file's bytes, which must outlive it.
struct OnnxModel {
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers;
  std::vector<std::string_view> outputs;
  WeightsMetadata metadata;
};

inline constexpr std::size_t kOnnxItemsMax = 16'384;  // nodes, initializers, and lists within one
inline constexpr std::uint64_t kOnnxBytesMax = std::uint64_t{2} << 30;  // of a file: protobuf's own

// Reads protobuf's wire format, bounded by `bytes` whatever they say. kDataLoss when they are not
// what they should be: truncated, of wrong lengths, over the bounds above.
Result<OnnxModel> parse_onnx(std::span<const std::byte> bytes);

// The bytes of a file; kNotFound when it cannot be read, kDataLoss when it is too large.
Result<std::vector<std::byte>> read_file(const std::filesystem::path& file);

}  // namespace tidewatch::native
