// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "core/result.h"
#include "infer/precision.h"
#include "infer/scores.h"
#include "infer/sequence.h"
#include "infer/trained_labels.h"

namespace tidewatch {

struct CalibrationRecipe;
struct ModelManifest;

// Texts as one ragged row: text i is ids[offsets[i] .. offsets[i+1]), int32, [CLS] … [SEP], with
// no padding. `offsets` has one entry more than there are texts and starts at 0. Borrowed for the
// call only.
struct RaggedBatch {
  std::span<const std::int32_t> ids;
  std::span<const std::uint32_t> offsets;
  std::size_t size() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
};

// What a loaded backend can take.
struct BackendShapes {
  std::size_t batch_max = 1;     // texts a run
  std::size_t tokens_max = 512;  // ids a text, [CLS] and [SEP] included
  std::size_t instances = 1;     // runs that may be under way at once
  // Whether larger batches raise throughput. False: a free instance should never wait for more.
  bool gains_from_batches = false;
  // Whether texts of any lengths run together without waste, up to `tokens_a_run` ids: then a run
  // is filled with whatever waits.
  bool packs_lengths = false;
  std::size_t tokens_a_run = 0;
  // How many of `instances` compute at the same time; the others wait for one. 0: all of them.
  std::size_t runs_at_once = 0;
  // Whether a text's scores are the same, bit for bit, whatever it is batched with.
  bool batch_invariant = true;
};

// Runs one loaded model. Each backend is a folder and a CMake target of its own behind this
// interface (native/, openvino/, tensorrt/).
//
// Threads: run() may be called concurrently with distinct `instance` numbers; the rest from any
// thread. run() blocks for the computation.
// Errors: kInvalidArgument for a batch outside shapes() (`scores` untouched), kInternal with the
// library's words when it fails (`scores` unspecified). No exception leaves a backend.
// Life cycle: loaded by its factory; close() frees the model once no run is under way; afterwards
// run() answers kFailedPrecondition.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;  // "native", "openvino", "tensorrt"
  // What was really used: "fp32", "int8", or "mixed" where only some of the layers that the
  // calibration names run in INT8.
  virtual std::string precision() const = 0;
  virtual const BackendShapes& shapes() const = 0;
  // Fills scores[i] for text i; scores.size() == batch.size(). Model versions are set to 0.
  virtual Status run(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores) = 0;
  // The same in one run, and the labels of each text's tokens where the manifest has a sequence
  // task (without one `sequences` come back empty). sequences.size() == batch.size(). kInternal
  // also when a text cannot be labelled (decode_sequence).
  virtual Status run_with_sequence(std::size_t instance, const RaggedBatch& batch,
                                   std::span<Scores> scores, std::span<TokenLabels> sequences) {
    for (TokenLabels& labels : sequences) labels.clear();
    return run(instance, batch, scores);
  }
  // Of the instance's last run: real ids, of those that were computed with. 1 without padding.
  virtual double last_fill(std::size_t /*instance*/) const { return 1.0; }
  virtual std::uint64_t memory_bytes() const = 0;  // weights and buffers, an estimate
  virtual void close() = 0;
};

// Whose code computes: see load_backend (backend_choice.h), which alone looks at it.
enum class BackendKind : std::uint8_t { kAuto, kNative, kOpenVino, kTensorRt };

struct BackendOptions {
  std::size_t instances = 0;  // 0: one for each core
  // kInt8 without a calibration in the manifest is an error: kFailedPrecondition.
  Precision precision = Precision::kFp32;
  BackendKind kind = BackendKind::kAuto;
  // TensorRT alone. `lanes`: runs that are on the GPU at once, which is a model's share of it when
  // several are served (0: two).
  std::size_t lanes = 0;
  std::map<std::string, std::size_t> lanes_of = {};  // of one model, by name, instead of `lanes`
  bool pads_to_longest = false;  // a text a row, as wide as the longest: to measure packing against
  // Where load_backend looks for the engine of a model.
  std::filesystem::path engines_dir = {};
};

// Turns the logits of one text into probabilities (softmax) and best labels. `emotion` and `topic`
// are as long as the schema's label lists. A tie goes to the earlier label.
void fill_scores(std::span<const float> emotion_logits, std::span<const float> topic_logits,
                 Scores& scores) noexcept;

// openvino/openvino_backend.cc. Loads manifest.weights (ONNX, FP16 or FP32 weights) on the CPU
// with an explicit precision hint.
Result<std::unique_ptr<Backend>> load_openvino_backend(const ModelManifest& manifest,
                                                       const BackendOptions& options);

// The same in INT8 by `recipe` instead of the manifest's: for calibration. kInvalidArgument names
// a layer of the recipe that is not in the graph.
Result<std::unique_ptr<Backend>> load_openvino_int8(const ModelManifest& manifest,
                                                    const CalibrationRecipe& recipe,
                                                    const BackendOptions& options);

// ONNX's metadata_props of a weights file. kInvalidArgument when it cannot be read.
Result<WeightsMetadata> read_weights_metadata(const std::filesystem::path& weights);

// What an exported model is bound to: OpenVINO's version and the processor's instruction set.
std::string openvino_compatibility();
// The compiled model as bytes, and what it runs in. Errors as load_openvino_backend.
struct ExportedModel {
  std::string bytes;
  std::string precision;  // of Backend::precision()
};
Result<ExportedModel> export_openvino_model(const ModelManifest& manifest,
                                            const BackendOptions& options);
// Loads what export_openvino_model gave; `precision` as it said. `manifest.weights` is only named.
Result<std::unique_ptr<Backend>> import_openvino_model(const ModelManifest& manifest,
                                                       const std::string& bytes,
                                                       const std::string& precision,
                                                       const BackendOptions& options);

// null_backend.cc. For `--model none`: every text is neutral and of unknown topic.
std::unique_ptr<Backend> make_null_backend(const LabelSchema& labels);

}  // namespace tidewatch
