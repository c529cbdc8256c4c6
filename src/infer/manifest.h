// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/scores.h"
#include "infer/sequence.h"

namespace tidewatch {

struct ManifestFile {
  std::filesystem::path path;  // absolute
  std::string sha256;          // 64 lower-case hex digits
};

struct ManifestTask {
  std::string name;    // "emotion", "topic"
  std::string output;  // name of the graph's output, logits [batch, labels]
  std::vector<std::string> labels;
};

// How well the model did on one data set when it was published; said by its makers, not checked.
struct PublishedFigure {
  std::string data;         // the set, a key of the manifest's `metrics`: "usual_eval"
  std::string task;         // "emotion", "topic"; empty: the manifest does not say
  std::uint64_t texts = 0;  // 0: the manifest does not say
  double accuracy = 0;      // 0 to 1
  std::optional<double> macro_f1;
};

// A model's manifest.json: what it is, what it needs and how to check it. A plain value.
struct ModelManifest {
  std::string name;
  std::string version;
  std::string description;
  std::uint32_t max_length = 512;  // ids a text
  std::string precision;           // of the weights: "fp32" means computed in FP32
  ManifestFile weights;
  ManifestFile vocabulary;
  std::optional<ManifestFile> calibration;  // how to run it in INT8: see infer/calibration
  std::uint32_t vocabulary_size = 0;
  ManifestTask emotion;
  ManifestTask topic;
  std::optional<SequenceTask> sequence;  // a label for each token; no bundled model has one
  LabelSchema labels;
  std::vector<PublishedFigure> published;  // by task, then by data
};

// Reads `folder`/manifest.json. Errors name the file and the field, and say what to do:
// kNotFound (no such file), kInvalidArgument (malformed, a field missing or out of range).
// Does not read the weights.
Result<ModelManifest> read_manifest(const std::filesystem::path& folder);

// The same from text. `file` is what messages name; the files that the manifest names lie beside
// it.
Result<ModelManifest> parse_manifest(std::string_view text, const std::filesystem::path& file);

// Compares the file's sha256 with what the manifest says. kDataLoss names the file and both
// digests; kNotFound when it cannot be read.
Status verify_manifest_file(const ManifestFile& file);

// The same for the vocabulary and the weights. The calibration is checked where it is used, so that
// a damaged one leaves the model as good as it is without.
Status verify_manifest_files(const ModelManifest& manifest);

// SHA-256 of a file as 64 lower-case hex digits; kNotFound when it cannot be read.
Result<std::string> sha256_of_file(const std::filesystem::path& path);

}  // namespace tidewatch
