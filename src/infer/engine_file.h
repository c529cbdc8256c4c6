// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/manifest.h"

namespace tidewatch {

// A model in one file, for a swap (docs/adr/0008-engine-files.md):
//
//   8 bytes   magic "TWENGINE"
//   4 bytes   format version, little endian
//   4 bytes   length of the header, little endian
//   64 bytes  sha256 of the header, hexadecimal
//   …         the header: JSON
//   …         the sections, one after another as the header lists them, and nothing behind them
//
// The header holds the model's manifest.json, so that whatever a manifest can say an engine can.
inline constexpr std::uint32_t kEngineFormat = 1;
inline constexpr std::uint64_t kEngineHeaderBytesMax = 16U << 20;

// What the payload is. kOnnx: weights and, for INT8, the recipe; any backend loads them.
// kOpenVino: OpenVINO's export of a compiled model, bound to its version and the instruction set.
inline constexpr std::string_view kEngineOnnx = "onnx";
// kTensorRt: a TensorRT plan, bound to its release, the GPU and the shapes it was built for.
inline constexpr std::string_view kEngineOpenVino = "openvino";
inline constexpr std::string_view kEngineTensorRt = "tensorrt";

struct EngineSection {
  std::string name;  // "model.onnx", "int8.json", "compiled.blob", "plan"
  std::uint64_t bytes = 0;
  std::string sha256;
};

// What an engine file says of itself. A plain value.
struct EngineHeader {
  std::string manifest_json;  // the model's; weights.sha256 is always that of the ONNX file
  ModelManifest manifest;     // the same, read; its files do not exist (see unpack_engine)
  std::string kind;
  std::string backend;        // what it was built and checked with
  std::string precision;      // "fp32" or "int8"; of a plan also "fp16" or "fp8"
  std::string shapes;         // of a plan: the rows it was built for, for people
  std::string compatibility;  // what the payload is bound to; empty: nothing
  std::string built_from;     // file names, for people
  std::string built_by;       // program and version
  std::string built_at;       // RFC 3339
  std::string accuracy_json;  // what was measured before it was written: an object
  std::vector<EngineSection> sections;
};

// One section to be written. Borrowed for the call.
struct EnginePart {
  std::string name;
  std::string_view bytes;
};

// Whether `name` may name an engine: letters, digits, ".", "_" and "-", not beginning with a dot,
// at most 128 bytes. Paths are not: kInvalidArgument says so.
Status check_engine_name(std::string_view name);

// Writes an engine by way of a temporary file beside it, in a folder that is made when absent:
// complete and on disk, or as before.
// `header.sections` is filled from `parts`. Errors as write_atomically.
Status write_engine(const std::filesystem::path& file, EngineHeader header,
                    std::span<const EnginePart> parts);

// Reads the header and checks all but the sections' digests. Errors name the file, what is wrong
// and the remedy: kNotFound; kDataLoss (truncated, damaged, bytes behind the end);
// kInvalidArgument (no engine, malformed); kUnimplemented (a newer format: both are named).
Result<EngineHeader> read_engine_header(const std::filesystem::path& file);

// One section's bytes, checked against its sha256; kDataLoss, kNotFound.
Result<std::string> read_engine_section(const std::filesystem::path& file,
                                        const EngineHeader& header, std::string_view name);

// Writes the sections of a kOnnx engine, checked, into `folder` and gives the manifest that names
// them there; the vocabulary is left at `vocabulary`, whose sha256 must be the engine's.
Result<ModelManifest> unpack_engine(const std::filesystem::path& file, const EngineHeader& header,
                                    const std::filesystem::path& folder,
                                    const ManifestFile& vocabulary);

// Whether an engine can take the place of `served`: name, labels, vocabulary and length must be
// the same. kFailedPrecondition names what differs, both sides, and the remedy.
Status check_engine_fits(const EngineHeader& header, const ModelManifest& served);

}  // namespace tidewatch
