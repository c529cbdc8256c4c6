// SPDX-License-Identifier: Apache-2.0
#include "infer/engine_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "infer/calibration/recipe.h"

namespace tidewatch {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "TWENGINE";
constexpr std::size_t kDigestBytes = 64;
constexpr std::size_t kFixedBytes = 8 + 4 + 4 + kDigestBytes;
constexpr std::size_t kSectionsMax = 8;
constexpr std::size_t kPieceBytes = 1U << 20;

std::string sha256_of(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFFU);
}

std::uint32_t read_u32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

Error damaged(const std::filesystem::path& file, std::string_view what) {
  return {Code::kDataLoss, fmt::format("{}: {}; copy it again or build it again with `tidewatch "
                                       "build-engine`",
                                       file.string(), what)};
}

Error malformed(const std::filesystem::path& file, std::string_view what) {
  return {Code::kInvalidArgument, fmt::format("{}: {}; build it again with `tidewatch "
                                              "build-engine`",
                                              file.string(), what)};
}

// The file's fixed part and header, as bytes.
struct Opening {
  std::string header;
  std::uint64_t payload_at = 0;
  std::uint64_t file_bytes = 0;
};

Result<Opening> read_opening(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (!in || error) {
    return Error{Code::kNotFound, fmt::format("{}: no such engine, or it cannot be read; build one "
                                              "with `tidewatch build-engine`",
                                              file.string())};
  }
  std::array<char, kFixedBytes> fixed{};
  in.read(fixed.data(), fixed.size());
  const auto got = static_cast<std::size_t>(in.gcount());
  if (got < kMagic.size() || std::string_view(fixed.data(), kMagic.size()) != kMagic) {
    return malformed(file, fmt::format("not an engine: it does not begin with {}", kMagic));
  }
  if (got < kFixedBytes) {
    return damaged(file,
                   fmt::format("truncated: {} bytes, an engine has at least {}", got, kFixedBytes));
  }
  const std::uint32_t format = read_u32(fixed.data() + 8);
  if (format != kEngineFormat) {
    return Error{Code::kUnimplemented,
                 fmt::format("{}: format {}, but this program reads format {}; {}", file.string(),
                             format, kEngineFormat,
                             format > kEngineFormat
                                 ? "use a newer tidewatch, or build it again with this one"
                                 : "build it again with `tidewatch build-engine`")};
  }
  const std::uint32_t length = read_u32(fixed.data() + 12);
  if (length == 0 || length > kEngineHeaderBytesMax || kFixedBytes + length > size) {
    return damaged(file, fmt::format("truncated or damaged: a header of {} bytes in a file of {}",
                                     length, size));
  }
  Opening opening;
  opening.header.resize(length);
  in.read(opening.header.data(), length);
  opening.payload_at = kFixedBytes + length;
  opening.file_bytes = size;
  const std::string_view wanted(fixed.data() + 16, kDigestBytes);
  const std::string found = sha256_of(opening.header);
  if (!in || found != wanted) {
    return damaged(file,
                   fmt::format("the header's sha256 is {} but the file says {}", found, wanted));
  }
  return opening;
}

std::string text_of(const json& root, const char* field) {
  const auto it = root.find(field);
  return it != root.end() && it->is_string() ? it->get<std::string>() : std::string{};
}

Status read_sections(const std::filesystem::path& file, const json& root, EngineHeader& header) {
  const auto sections = root.find("sections");
  if (sections == root.end() || !sections->is_array() || sections->empty() ||
      sections->size() > kSectionsMax) {
    return malformed(file, fmt::format("'sections' must list 1 to {} sections", kSectionsMax));
  }
  for (const json& entry : *sections) {
    EngineSection section;
    section.name = text_of(entry, "name");
    section.sha256 = text_of(entry, "sha256");
    const auto bytes = entry.find("bytes");
    if (!check_engine_name(section.name) || section.sha256.size() != kDigestBytes ||
        bytes == entry.end() || !bytes->is_number_unsigned()) {
      return malformed(file, "a section lacks its name, bytes or sha256");
    }
    section.bytes = bytes->get<std::uint64_t>();
    header.sections.push_back(std::move(section));
  }
  return {};
}

struct Place {
  const EngineSection* section = nullptr;
  std::uint64_t offset = 0;
};

Result<Place> find_section(const std::filesystem::path& file, const EngineHeader& header,
                           std::string_view name) {
  TRY_ASSIGN(const Opening opening, read_opening(file));
  Place place;
  place.offset = opening.payload_at;
  for (const EngineSection& section : header.sections) {
    if (section.name == name) {
      place.section = &section;
      return place;
    }
    place.offset += section.bytes;
  }
  return malformed(file, fmt::format("no section '{}'", name));
}

// Calls `take` with the section piece by piece, then compares its digest.
template <typename F>
Status stream_section(const std::filesystem::path& file, const EngineHeader& header,
                      std::string_view name, F&& take) {
  TRY_ASSIGN(const Place place, find_section(file, header, name));
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(place.offset));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::string piece;
  for (std::uint64_t left = place.section->bytes; left > 0;) {
    piece.resize(std::min<std::uint64_t>(left, kPieceBytes));
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (!in) return damaged(file, fmt::format("section '{}' is truncated", name));
    EVP_DigestUpdate(context.get(), piece.data(), piece.size());
    TRY(take(std::string_view(piece)));
    left -= piece.size();
  }
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  std::string found;
  for (const unsigned char byte : digest) found += fmt::format("{:02x}", byte);
  if (found != place.section->sha256) {
    return damaged(file, fmt::format("section '{}': sha256 is {} but the header says {}", name,
                                     found, place.section->sha256));
  }
  return {};
}

Error unfit(const EngineHeader& header, const ModelManifest& served, std::string_view what,
            std::string_view engine_side, std::string_view served_side) {
  return {Code::kFailedPrecondition,
          fmt::format("the engine '{}' does not fit: its {} {}, that of the served model '{}' {} "
                      "{}; build the engine from a model made for this one",
                      header.manifest.version, what, engine_side, served.name, served.version,
                      served_side)};
}

std::string list(const std::vector<std::string>& labels) {
  return fmt::format("are [{}]", fmt::join(labels, ", "));
}

}  // namespace

Status check_engine_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= 128 && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                    });
  if (good) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("'{}' is no engine's name: give the plain name of a file in the engines "
                           "folder, such as v2.engine; paths are refused",
                           name.substr(0, 200))};
}

Status write_engine(const std::filesystem::path& file, EngineHeader header,
                    std::span<const EnginePart> parts) {
  json sections = json::array();
  std::uint64_t payload = 0;
  for (const EnginePart& part : parts) {
    sections.push_back(
        {{"name", part.name}, {"bytes", part.bytes.size()}, {"sha256", sha256_of(part.bytes)}});
    payload += part.bytes.size();
  }
  json root{{"manifest", json::parse(header.manifest_json, nullptr, false)},
            {"kind", header.kind},
            {"backend", header.backend},
            {"precision", header.precision},
            {"shapes", header.shapes},
            {"compatibility", header.compatibility},
            {"built_from", header.built_from},
            {"built_by", header.built_by},
            {"built_at", header.built_at},
            {"accuracy", json::parse(header.accuracy_json.empty() ? "{}" : header.accuracy_json,
                                     nullptr, false)},
            {"sections", std::move(sections)}};
  const std::string text = root.dump(1, ' ', false, json::error_handler_t::replace);
  std::string bytes;
  bytes.reserve(kFixedBytes + text.size() + payload);
  bytes += kMagic;
  append_u32(bytes, kEngineFormat);
  append_u32(bytes, static_cast<std::uint32_t>(text.size()));
  bytes += sha256_of(text);
  bytes += text;
  for (const EnginePart& part : parts) bytes += part.bytes;
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  std::error_code failed;  // then the write says why
  std::filesystem::create_directories(folder, failed);
  TRY(write_atomically(file, bytes));
  // The name is durable only once its folder is.
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
  return {};
}

Result<EngineHeader> read_engine_header(const std::filesystem::path& file) {
  TRY_ASSIGN(const Opening opening, read_opening(file));
  const json root = json::parse(opening.header, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded() || !root.is_object()) return malformed(file, "the header is no object");
  const auto manifest = root.find("manifest");
  if (manifest == root.end() || !manifest->is_object()) {
    return malformed(file, "the header has no manifest");
  }
  EngineHeader header;
  header.manifest_json = manifest->dump();
  TRY_ASSIGN(header.manifest,
             parse_manifest(header.manifest_json, std::filesystem::absolute(file)));
  header.kind = text_of(root, "kind");
  header.backend = text_of(root, "backend");
  header.precision = text_of(root, "precision");
  header.shapes = text_of(root, "shapes");
  header.compatibility = text_of(root, "compatibility");
  header.built_from = text_of(root, "built_from");
  header.built_by = text_of(root, "built_by");
  header.built_at = text_of(root, "built_at");
  header.accuracy_json = root.value("accuracy", json::object()).dump();
  if (header.kind != kEngineOnnx && header.kind != kEngineOpenVino &&
      header.kind != kEngineTensorRt) {
    return Error{
        Code::kUnimplemented,
        fmt::format("{}: its payload is of kind '{}', but this program loads '{}', "
                    "'{}' and '{}'; build it again with `tidewatch build-engine`",
                    file.string(), header.kind, kEngineOnnx, kEngineOpenVino, kEngineTensorRt)};
  }
  TRY(read_sections(file, root, header));
  std::uint64_t expected = opening.payload_at;
  for (const EngineSection& section : header.sections) {
    if (section.bytes > opening.file_bytes) return damaged(file, "truncated");
    expected += section.bytes;
  }
  if (expected != opening.file_bytes) {
    return damaged(file, fmt::format("{}: {} bytes, the header says {}",
                                     opening.file_bytes < expected ? "truncated" : "too long",
                                     opening.file_bytes, expected));
  }
  return header;
}

Result<std::string> read_engine_section(const std::filesystem::path& file,
                                        const EngineHeader& header, std::string_view name) {
  std::string bytes;
  TRY(stream_section(file, header, name, [&](std::string_view piece) -> Status {
    bytes += piece;
    return {};
  }));
  return bytes;
}

Result<ModelManifest> unpack_engine(const std::filesystem::path& file, const EngineHeader& header,
                                    const std::filesystem::path& folder,
                                    const ManifestFile& vocabulary) {
  for (const EngineSection& section : header.sections) {
    std::ofstream out(folder / section.name, std::ios::binary);
    TRY(stream_section(file, header, section.name, [&](std::string_view piece) -> Status {
      out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      return {};
    }));
    out.close();
    if (!out) {
      return Error{Code::kUnavailable,
                   fmt::format("{}: cannot be unpacked there: {}; make room, or set TMPDIR",
                               (folder / section.name).string(), std::strerror(errno))};
    }
  }
  TRY_ASSIGN(ModelManifest manifest,
             parse_manifest(header.manifest_json, folder / "manifest.json"));
  if (manifest.vocabulary.sha256 != vocabulary.sha256) {
    return malformed(file, "the vocabulary is not that of the served model");
  }
  manifest.vocabulary = vocabulary;
  TRY(verify_manifest_file(manifest.weights));
  return manifest;
}

Status check_engine_fits(const EngineHeader& header, const ModelManifest& served) {
  const ModelManifest& engine = header.manifest;
  if (engine.name != served.name) {
    return unfit(header, served, "model", fmt::format("is '{}'", engine.name),
                 fmt::format("is '{}'", served.name));
  }
  if (engine.labels.emotions != served.labels.emotions) {
    return unfit(header, served, "emotion labels", list(engine.labels.emotions),
                 list(served.labels.emotions));
  }
  if (engine.labels != served.labels && engine.labels.topics == served.labels.topics) {
    return unfit(header, served, "negative emotions", "are others",
                 "are as its manifest.json lists them");
  }
  if (engine.labels.topics != served.labels.topics) {
    return unfit(header, served, "topic labels", list(engine.labels.topics),
                 list(served.labels.topics));
  }
  if (engine.vocabulary.sha256 != served.vocabulary.sha256 ||
      engine.vocabulary_size != served.vocabulary_size) {
    return unfit(header, served, "vocabulary",
                 fmt::format("has {} tokens and sha256 {}", engine.vocabulary_size,
                             engine.vocabulary.sha256),
                 fmt::format("has {} tokens and sha256 {}", served.vocabulary_size,
                             served.vocabulary.sha256));
  }
  if (engine.max_length != served.max_length) {
    return unfit(header, served, "max_length", fmt::format("is {}", engine.max_length),
                 fmt::format("is {}", served.max_length));
  }
  const bool plan = header.kind == kEngineTensorRt;
  if (header.precision != "fp32" && header.precision != "int8" &&
      !(plan && (header.precision == "fp16" || header.precision == "fp8"))) {
    return unfit(header, served, "precision", fmt::format("is '{}'", header.precision),
                 plan ? "may be fp32, fp16, int8 or fp8" : "may be fp32 or int8");
  }
  return {};
}

}  // namespace tidewatch
