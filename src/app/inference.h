// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/escalation.h"
#include "app/model_slot.h"
#include "batch/dispatcher.h"
#include "batch/token_pool.h"
#include "core/clock.h"
#include "core/request_limits.h"
#include "core/result.h"
#include "infer/cascade.h"
#include "infer/model_registry.h"
#include "infer/precision.h"
#include "infer/score_cache.h"
#include "infer/score_sink.h"
#include "observe/metrics.h"
#include "tokenize/tokenizer.h"

namespace tidewatch {

// The tokenizer that a model was trained with. Errors as Vocabulary::load, and kInvalidArgument
// when the vocabulary's size is not the one that the manifest names.
Result<Tokenizer> load_tokenizer(const ModelManifest& manifest);

// From a text to its scores: tokenizer, result cache, dispatcher and the active model in one. With
// the model `auto` also the second model of the cascade (infer/cascade.h); the cache then holds
// the final scores, and Scores::model says which of the two answered.
//
// Ownership: clock and metrics must outlive it. Threads: every member may be called concurrently.
// Bounds: the dispatcher's queues and the cache (see their headers).
// Life cycle: create() loads the model; the destructor runs what is queued.
class Inference {
 public:
  struct Options {
    std::string model = "fast";  // "none": nothing is classified; "auto": fast, then base
    Precision precision = Precision::kFp32;
    BackendKind backend = BackendKind::kAuto;
    BatchPolicyOptions policy;
    bool window_set = false;  // false: window 0 where the backend gains nothing from batches
    std::size_t bucket_items_max = 4'096;
    std::size_t must_run_items = 0;  // of those: for posts alone (Dispatcher::Options)
    std::size_t cache_bytes_max = 64U << 20;
    // False: on a backend that packs lengths a run may hold as many texts as its rows do.
    bool batch_max_set = false;
    std::size_t instances = 0;  // concurrent runs; 0: one for each core, two on a GPU
    std::size_t lanes = 0;      // BackendOptions::lanes
    std::map<std::string, std::size_t> lanes_of;  // BackendOptions::lanes_of
    // Measure each model's runs before the first text (under half a second a model), so that
    // deadlines are kept from the start; else the first texts teach.
    bool measure = false;
    CascadeMargins margins;  // "auto" only, as are the next
    // Whether a doubtful text waits for the second model however long that takes. False: beyond
    // `escalation_tokens_max` ids it keeps its first scores, uncached, and is counted.
    bool escalation_waits = true;
    std::size_t escalation_tokens_max = 192;
    std::size_t escalation_instances = 0;  // see Escalation::Options
    // What a text still needs after its scores (the disk, the answer): the second model must be
    // done so long before the deadline.
    std::chrono::milliseconds deadline_reserve{15};
    // While the first model's queue takes longer than this, no text is escalated: cores that are
    // behind with first answers give no second ones. Not when escalation_waits.
    std::chrono::milliseconds escalation_pressure_max{5};
  };

  // Errors as ModelRegistry::load and Vocabulary::load; kInvalidArgument when the two models of a
  // cascade do not share labels, vocabulary and length.
  static Result<std::unique_ptr<Inference>> create(ModelRegistry& registry, const Options& options,
                                                   const Clock& clock, Metrics& metrics);
  ~Inference();
  Inference(const Inference&) = delete;
  Inference& operator=(const Inference&) = delete;

  // [CLS] … [SEP] of a text; empty for an empty text and when nothing is classified.
  void tokenize(std::string_view text, std::vector<std::int32_t>& token_ids) const;

  // The scores of a text without tokens: neutral, no topic, version 0.
  Scores unclassified() const;

  // Empty, with room where one came back. Give it back when it is not submitted.
  std::vector<std::int32_t> token_buffer() { return pool_.take(); }
  void give_back(std::vector<std::int32_t>&& buffer) { pool_.give_back(std::move(buffer)); }

  // What the cache remembers for these ids under the active model.
  std::optional<Scores> cached(std::span<const std::int32_t> token_ids);

  // Queues a text that is run whatever happens; the sink is told exactly once. The deadline decides
  // who goes first and whether the second model of a cascade is asked. False, with nothing queued:
  // full (when not waiting) or stopped.
  [[nodiscard]] bool submit(std::vector<std::int32_t>&& token_ids, ScoreSink* sink,
                            std::uint64_t cookie, bool wait, const RequestLimits& limits = {});

  // How long a text that came now would wait for its scores, by what is queued and by how long
  // runs take.
  std::chrono::nanoseconds predicted_wait(Priority priority = Priority::kNormal) const {
    return dispatcher_->predicted_wait(priority);
  }

  // Classifies texts and blocks until done: for the API and the command line. With `sequences`
  // also the labels of each text's tokens, by the first model; the cache is then not asked.
  Result<std::vector<Scores>> classify(std::span<const std::string> texts,
                                       std::vector<TokenLabels>* sequences = nullptr);

  // The same without blocking and within limits: `done` is told exactly once, maybe within this
  // call. The error of the first text that could not be answered is the error of all:
  // kResourceExhausted before any work when the deadline cannot be kept (retry_after says the
  // predicted wait), kDeadlineExceeded when it passed while a text waited, kCancelled.
  void classify_async(std::span<const std::string> texts, const RequestLimits& limits,
                      std::function<void(Result<std::vector<Scores>>)> done);

  void drain();
  std::size_t queue_depth() const;
  std::size_t escalation_queue_depth() const;
  bool classifies() const { return tokenizer_.has_value(); }
  const LabelSchema& labels() const { return labels_; }
  // What is served, by name ("auto" for a cascade) and version ("1+2" for a cascade).
  std::string name() const;
  std::string version() const;
  // The model that answers first.
  std::shared_ptr<const Model> model() const { return first_.model(); }
  // Those that may answer: one, or a cascade's two in their order.
  std::vector<std::shared_ptr<const Model>> models() const;
  // Name of the model that gave these scores; empty for version 0.
  std::string_view answered_by(const Scores& scores) const;
  // The places of those models, for a swap or a canary (app/model_control.h), in their order.
  std::vector<ModelSlot*> slots();
  std::vector<const ModelSlot*> slots() const;
  // Forgets the remembered scores: after a swap.
  void forget() { cache_.clear(); }
  const CascadeMargins& margins() const { return options_.margins; }
  const ScoreCache& cache() const { return cache_; }
  const Tokenizer* tokenizer() const { return tokenizer_ ? &*tokenizer_ : nullptr; }

 private:
  Inference(const Options& options, const Clock& clock, Metrics& metrics, LabelSchema labels,
            std::optional<Tokenizer> tokenizer, std::shared_ptr<const Model> first,
            std::shared_ptr<const Model> second);
  // Under which the scores are remembered that `first` gives these ids now, or the cascade.
  ScoreCache::Key key_for(std::span<const std::int32_t> token_ids, ModelVersion first) const;
  void run(std::size_t worker, std::span<BatchItem> batch);
  void adapt_batches();
  bool enqueue(BatchItem&& item, bool wait);
  // Answers one text, or gives it to the second model.
  void answer(BatchItem& item, const Scores& scores, const ScoreTiming& timing);
  BatchPolicyOptions policy_for(const BackendShapes& shapes) const;
  void drop(BatchItem& item, Code why);
  bool may_escalate(const BatchItem& item);

  // What a worker needs for a run, kept so that none is allocated.
  struct Scratch {
    std::vector<std::int32_t> ids;
    std::vector<std::uint32_t> offsets;
    std::vector<Scores> scores;
  };

  const Options options_;
  const Clock& clock_;
  Metrics& metrics_;
  const LabelSchema labels_;
  const std::optional<Tokenizer> tokenizer_;
  ScoreCache cache_;
  TokenPool pool_;
  std::vector<Scratch> scratch_;  // by worker
  Mutex batches_mu_;
  ModelVersion batches_for_ GUARDED_BY(batches_mu_){};  // whose batches the dispatcher makes
  ModelSlot first_;
  std::unique_ptr<ModelSlot> second_;       // null: no cascade
  std::unique_ptr<Escalation> escalation_;  // null: no cascade
  std::unique_ptr<Dispatcher> dispatcher_;  // last: its workers use the rest
};

}  // namespace tidewatch
