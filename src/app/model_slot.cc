// SPDX-License-Identifier: Apache-2.0
#include "app/model_slot.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::size_t kVersionsMax = 64;
constexpr std::uint64_t kCanarySeed = 0x7469646563616e61ULL;  // of its own, not the cache's

// Some texts of a batch, as a batch of their own.
struct Part {
  std::vector<std::size_t> texts;  // places in the whole batch
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0};
  std::vector<Scores> scores;
  std::vector<TokenLabels> sequences;

  void add(std::size_t i, std::span<const std::int32_t> text) {
    texts.push_back(i);
    ids.insert(ids.end(), text.begin(), text.end());
    offsets.push_back(static_cast<std::uint32_t>(ids.size()));
  }
  Status run_on(LiveModel& model, std::size_t worker, bool with_sequences) {
    scores.resize(texts.size());
    sequences.resize(with_sequences ? texts.size() : 0);
    return model.run(worker, {ids, offsets}, scores, sequences);
  }
  void give(std::span<Scores> to, std::span<TokenLabels> labels) {
    for (std::size_t k = 0; k < texts.size(); ++k) {
      to[texts[k]] = scores[k];
      if (!labels.empty()) labels[texts[k]] = std::move(sequences[k]);
    }
  }
};

std::span<const std::int32_t> text_of(const RaggedBatch& batch, std::size_t i) {
  return batch.ids.subspan(batch.offsets[i], batch.offsets[i + 1] - batch.offsets[i]);
}

}  // namespace

bool canary_takes(std::span<const std::int32_t> token_ids, double percent) noexcept {
  constexpr std::uint64_t kParts = 1'000'000;
  const std::uint64_t hash =
      XXH3_64bits_withSeed(token_ids.data(), token_ids.size_bytes(), kCanarySeed);
  return static_cast<double>(hash % kParts) < percent / 100 * static_cast<double>(kParts);
}

// Lets one run in at a time, a worker's before a background one.
class LiveModel::Gate {
 public:
  void enter(bool background) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    std::size_t& waiting = background ? background_waiting_ : workers_waiting_;
    ++waiting;
    while (busy_ || (background && workers_waiting_ > 0)) left_.wait(mu_);
    --waiting;
    busy_ = true;
  }
  void leave() EXCLUDES(mu_) {
    bool wake = false;
    {
      MutexLock lock(mu_);
      busy_ = false;
      wake = workers_waiting_ + background_waiting_ > 0;
    }
    if (wake) left_.notify_all();
  }

 private:
  Mutex mu_;
  CondVar left_;
  bool busy_ GUARDED_BY(mu_) = false;
  std::size_t workers_waiting_ GUARDED_BY(mu_) = 0;
  std::size_t background_waiting_ GUARDED_BY(mu_) = 0;
};

LiveModel::LiveModel(std::shared_ptr<const Model> model, Metrics& metrics)
    : model_(std::move(model)),
      metrics_(metrics),
      inferred_(metrics.inferred(model_->manifest.name, model_->manifest.version)),
      answered_(metrics.answered(model_->manifest.name, model_->manifest.version)),
      gates_(std::make_unique<Gate[]>(model_->backend->shapes().instances)) {
  const ModelManifest& manifest = model_->manifest;
  metrics_.set_model(
      {manifest.name, manifest.version, model_->backend->precision(), model_->backend->name()},
      /*loaded=*/true);
  metrics_.model_memory_bytes(manifest.name, manifest.version)
      .add(static_cast<double>(model_->backend->memory_bytes()));
}

LiveModel::~LiveModel() {
  const ModelManifest& manifest = model_->manifest;
  Gauge& memory = metrics_.model_memory_bytes(manifest.name, manifest.version);
  memory.add(-static_cast<double>(model_->backend->memory_bytes()));
  // Another of the same name and version may be loaded still (an engine swapped for itself).
  if (memory.value() <= 0) {
    metrics_.set_model(
        {manifest.name, manifest.version, model_->backend->precision(), model_->backend->name()},
        /*loaded=*/false);
  }
}

Status LiveModel::run_on(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores,
                         std::span<TokenLabels> sequences) {
  const std::size_t batch_max = std::max<std::size_t>(1, model_->backend->shapes().batch_max);
  std::vector<std::uint32_t> offsets;
  for (std::size_t begin = 0; begin < batch.size(); begin += batch_max) {
    const std::size_t count = std::min(batch_max, batch.size() - begin);
    RaggedBatch part = batch;
    if (count < batch.size()) {
      const std::uint32_t first = batch.offsets[begin];
      offsets.assign(batch.offsets.begin() + static_cast<std::ptrdiff_t>(begin),
                     batch.offsets.begin() + static_cast<std::ptrdiff_t>(begin + count + 1));
      for (std::uint32_t& offset : offsets) offset -= first;
      part = {batch.ids.subspan(first, offsets.back()), offsets};
    }
    if (sequences.empty()) {
      TRY(model_->backend->run(instance, part, scores.subspan(begin, count)));
    } else {
      TRY(model_->backend->run_with_sequence(instance, part, scores.subspan(begin, count),
                                             sequences.subspan(begin, count)));
    }
  }
  for (Scores& one : scores) one.model = model_->version;
  return {};
}

Status LiveModel::run(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores,
                      std::span<TokenLabels> sequences) {
  gates_[instance].enter(/*background=*/false);
  const Status status = run_on(instance, batch, scores, sequences);
  gates_[instance].leave();
  inferred_.add(batch.size());
  return status;
}

Result<Scores> LiveModel::run_background(std::span<const std::int32_t> token_ids) {
  // The last one: a cascade's second model uses the first ones only.
  const std::size_t instance = model_->backend->shapes().instances - 1;
  const std::array<std::uint32_t, 2> offsets{0, static_cast<std::uint32_t>(token_ids.size())};
  Scores scores;
  gates_[instance].enter(/*background=*/true);
  const Status status = run_on(instance, {token_ids, offsets}, {&scores, 1}, {});
  gates_[instance].leave();
  if (!status) return status.error();
  return scores;
}

Status LiveModel::warm_up(std::size_t instance, std::span<const std::int32_t> token_ids) {
  const std::array<std::uint32_t, 2> offsets{0, static_cast<std::uint32_t>(token_ids.size())};
  Scores scores;
  gates_[instance].enter(/*background=*/true);
  const Status status = run_on(instance, {token_ids, offsets}, {&scores, 1}, {});
  gates_[instance].leave();
  return status;
}

// Keeps a state from being retired while a run works with it.
class ModelSlot::Lease {
 public:
  explicit Lease(ModelSlot& slot) : slot_(slot) {
    MutexLock lock(slot_.mu_);
    state_ = slot_.state_;
    ++state_->runs;
  }
  ~Lease() {
    const SteadyTime now = slot_.clock_.steady_now();
    {
      MutexLock lock(slot_.mu_);
      --state_->runs;
      if (ran_ && !*state_->first_run) *state_->first_run = now;
      state_.reset();
    }
    slot_.run_ended_.notify_all();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  const State& operator*() const { return *state_; }
  const State* operator->() const { return state_.get(); }
  void ran() { ran_ = true; }

 private:
  ModelSlot& slot_;
  std::shared_ptr<State> state_;
  bool ran_ = false;  // the live model has answered
};

ModelSlot::ModelSlot(std::shared_ptr<const Model> model, Metrics& metrics, const Clock& clock)
    : name_(model->manifest.name), clock_(clock) {
  auto state = std::make_shared<State>();
  state->live = std::make_shared<LiveModel>(std::move(model), metrics);
  state->first_run = std::make_shared<std::optional<SteadyTime>>();
  MutexLock lock(mu_);
  versions_.push_back(state->live->version());
  state_ = std::move(state);
}

std::shared_ptr<LiveModel> ModelSlot::live() const {
  MutexLock lock(mu_);
  return state_->live;
}

ModelVersion ModelSlot::version_for(std::span<const std::int32_t> token_ids) const {
  MutexLock lock(mu_);
  const bool candidate =
      state_->canary && !state_->canary->shadow && canary_takes(token_ids, state_->canary->percent);
  return candidate ? state_->canary->candidate->version() : state_->live->version();
}

bool ModelSlot::had(ModelVersion version) const {
  MutexLock lock(mu_);
  return std::find(versions_.begin(), versions_.end(), version) != versions_.end();
}

void ModelSlot::count_answered(ModelVersion version) {
  MutexLock lock(mu_);
  const bool candidate = state_->canary && state_->canary->candidate->version() == version;
  (candidate ? state_->canary->candidate : state_->live)->answered().add();
}

Status ModelSlot::run(std::size_t worker, const RaggedBatch& batch, std::span<Scores> scores,
                      std::span<TokenLabels> sequences) {
  Lease lease(*this);
  Status status;
  if (!lease->canary) {
    status = lease->live->run(worker, batch, scores, sequences);
  } else if (lease->canary->shadow) {
    const SteadyTime started = clock_.steady_now();
    status = lease->live->run(worker, batch, scores, sequences);
    CanaryObserver& observer = *lease->canary->observer;
    observer.ran(CanarySideName::kLive, clock_.steady_now() - started, batch.size(), !status);
    for (std::size_t i = 0; status && i < batch.size(); ++i) {
      const auto ids = text_of(batch, i);
      if (!canary_takes(ids, lease->canary->percent)) continue;
      observer.answered(CanarySideName::kLive, ids, scores[i]);
    }
  } else {
    status = run_split(*lease, worker, batch, scores, sequences);
  }
  if (status) lease.ran();
  return status;
}

Status ModelSlot::run_split(const State& state, std::size_t worker, const RaggedBatch& batch,
                            std::span<Scores> scores, std::span<TokenLabels> sequences) {
  Part live;
  Part candidate;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto ids = text_of(batch, i);
    (canary_takes(ids, state.canary->percent) ? candidate : live).add(i, ids);
  }
  CanaryObserver& observer = *state.canary->observer;
  const bool labels = !sequences.empty();
  if (!live.texts.empty()) {
    const SteadyTime started = clock_.steady_now();
    const Status status = live.run_on(*state.live, worker, labels);
    observer.ran(CanarySideName::kLive, clock_.steady_now() - started, live.texts.size(), !status);
    TRY(status);
    live.give(scores, sequences);
  }
  if (candidate.texts.empty()) return {};
  const SteadyTime started = clock_.steady_now();
  const Status status = candidate.run_on(*state.canary->candidate, worker, labels);
  observer.ran(CanarySideName::kCandidate, clock_.steady_now() - started, candidate.texts.size(),
               !status);
  if (!status) TRY(candidate.run_on(*state.live, worker, labels));
  for (std::size_t k = 0; status && k < candidate.texts.size(); ++k) {
    observer.answered(CanarySideName::kCandidate, text_of(batch, candidate.texts[k]),
                      candidate.scores[k]);
  }
  candidate.give(scores, sequences);
  return {};
}

ModelSlot::Change ModelSlot::install(std::shared_ptr<State> next) {
  Change change;
  MutexLock lock(mu_);
  const ModelVersion brought =
      next->canary ? next->canary->candidate->version() : next->live->version();
  if (std::find(versions_.begin(), versions_.end(), brought) == versions_.end()) {
    versions_.push_back(brought);
    if (versions_.size() > kVersionsMax) versions_.pop_front();
  }
  std::swap(state_, next);
  change.switched_at = clock_.steady_now();
  change.retired = std::move(next);
  return change;
}

// What is retired is freed on return, with no lock held.
void ModelSlot::drain(Change change) {
  MutexLock lock(mu_);
  while (change.retired->runs > 0) run_ended_.wait(mu_);
}

ModelSlot::Change ModelSlot::replace(std::shared_ptr<LiveModel> next) {
  auto state = std::make_shared<State>();
  state->live = std::move(next);
  state->first_run = std::make_shared<std::optional<SteadyTime>>();
  return install(std::move(state));
}

std::optional<SteadyTime> ModelSlot::first_run_at() const {
  MutexLock lock(mu_);
  return *state_->first_run;
}

bool ModelSlot::has_canary() const {
  MutexLock lock(mu_);
  return state_->canary.has_value();
}

void ModelSlot::set_canary(std::optional<Canary> canary) {
  auto state = std::make_shared<State>();
  {
    MutexLock lock(mu_);
    state->live = state_->live;
    state->first_run = state_->first_run;
  }
  state->canary = std::move(canary);
  drain(install(std::move(state)));
}

}  // namespace tidewatch
