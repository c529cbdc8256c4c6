// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "infer/backend.h"
#include "infer/model_registry.h"
#include "infer/scores.h"
#include "observe/metrics.h"

namespace tidewatch {

// A loaded model in use: its counters, and one gate a backend instance, so that validation and
// canaries may run texts beside the workers.
// Threads: every member may be called concurrently. A background run never holds an instance for
// longer than its one batch, and waits while a worker wants the instance.
class LiveModel {
 public:
  LiveModel(std::shared_ptr<const Model> model, Metrics& metrics);
  ~LiveModel();
  LiveModel(const LiveModel&) = delete;
  LiveModel& operator=(const LiveModel&) = delete;

  const Model& model() const { return *model_; }
  std::shared_ptr<const Model> shared_model() const { return model_; }
  ModelVersion version() const { return model_->version; }
  Counter& answered() const { return answered_; }

  // As Backend::run_with_sequence, but batches of any size are taken, and each text's scores bear
  // the model's version. `sequences` is as long as the batch, or empty.
  Status run(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores,
             std::span<TokenLabels> sequences = {});
  // One text, in the background.
  Result<Scores> run_background(std::span<const std::int32_t> token_ids);
  // One text on a chosen instance; for warming up before the model is live.
  Status warm_up(std::size_t instance, std::span<const std::int32_t> token_ids);

 private:
  class Gate;
  Status run_on(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores,
                std::span<TokenLabels> sequences);

  const std::shared_ptr<const Model> model_;
  Metrics& metrics_;
  Counter& inferred_;
  Counter& answered_;
  const std::unique_ptr<Gate[]> gates_;
};

enum class CanarySideName : std::uint8_t { kLive, kCandidate };

// Is told what both models of a canary do. Threads: called by the slot's workers; must not block.
class CanaryObserver {
 public:
  virtual ~CanaryObserver() = default;
  virtual void ran(CanarySideName side, std::chrono::nanoseconds took, std::size_t texts,
                   bool failed) noexcept = 0;
  // `scores` are `side`'s answer to a text that the other side may be asked about.
  virtual void answered(CanarySideName side, std::span<const std::int32_t> token_ids,
                        const Scores& scores) noexcept = 0;
};

// The place of one model in the engine: whatever is in it answers. A swap changes what is in it
// between two batches; a canary sends a share of the texts to a second model, or shows them to it.
//
// Ownership: metrics and clock must outlive it. Threads: every member may be called concurrently;
// replace and set_canary by one thread at a time.
class ModelSlot {
 public:
  // Which texts a candidate gets: those whose hash is below `percent`, the same ones at each run.
  struct Canary {
    std::shared_ptr<LiveModel> candidate;
    double percent = 0;   // 0 to 100
    bool shadow = false;  // its answers are dropped: the live model answers every text
    std::shared_ptr<CanaryObserver> observer;
  };
  struct State;  // what a run works with from begin to end
  // A change that took effect, with what it put out of use.
  struct Change {
    SteadyTime switched_at{};
    std::shared_ptr<State> retired;
  };

  ModelSlot(std::shared_ptr<const Model> model, Metrics& metrics, const Clock& clock);
  ModelSlot(const ModelSlot&) = delete;
  ModelSlot& operator=(const ModelSlot&) = delete;

  const std::string& name() const { return name_; }
  std::shared_ptr<LiveModel> live() const EXCLUDES(mu_);
  std::shared_ptr<const Model> model() const { return live()->shared_model(); }
  // The model whose answer this text gets now.
  ModelVersion version_for(std::span<const std::int32_t> token_ids) const EXCLUDES(mu_);
  // Whether a model of this slot has this version: one of the last 64.
  bool had(ModelVersion version) const EXCLUDES(mu_);
  // Counts a text as answered by the model of that version (the live one if it is gone).
  void count_answered(ModelVersion version) EXCLUDES(mu_);

  // Runs a batch, each text by the model whose turn it is; a text that the candidate fails on is
  // answered by the live model. `worker` is the backend instance: one run at a time for each.
  Status run(std::size_t worker, const RaggedBatch& batch, std::span<Scores> scores,
             std::span<TokenLabels> sequences = {}) EXCLUDES(mu_);

  // Puts `next` in the place of the live model, and ends a canary. Runs that have begun end with
  // the old one: drain() waits for them and lets it go. Call it once for each change.
  Change replace(std::shared_ptr<LiveModel> next) EXCLUDES(mu_);
  void drain(Change change) EXCLUDES(mu_);
  // When the live model finished its first run since it became that; nothing: not yet.
  std::optional<SteadyTime> first_run_at() const EXCLUDES(mu_);
  bool has_canary() const EXCLUDES(mu_);
  // Begins a canary, or ends it; returns when no run is under way that knows the one before.
  void set_canary(std::optional<Canary> canary) EXCLUDES(mu_);

 private:
  class Lease;
  Status run_split(const State& state, std::size_t worker, const RaggedBatch& batch,
                   std::span<Scores> scores, std::span<TokenLabels> sequences);
  Change install(std::shared_ptr<State> next) EXCLUDES(mu_);

  const std::string name_;
  const Clock& clock_;
  mutable Mutex mu_;
  CondVar run_ended_;
  std::shared_ptr<State> state_ GUARDED_BY(mu_);
  std::deque<ModelVersion> versions_ GUARDED_BY(mu_);  // of the models it had, latest last
};

// Immutable but for the last two members, which the slot's mutex guards.
struct ModelSlot::State {
  std::shared_ptr<LiveModel> live;
  std::optional<Canary> canary;
  std::size_t runs = 0;
  std::shared_ptr<std::optional<SteadyTime>> first_run;  // shared by states of one live model
};

// Whether a text is among the `percent` of all that a canary gets.
bool canary_takes(std::span<const std::int32_t> token_ids, double percent) noexcept;

}  // namespace tidewatch
