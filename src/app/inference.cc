// SPDX-License-Identifier: Apache-2.0
#include "app/inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "app/measure_profile.h"
#include "core/mutex.h"
#include "observe/log.h"

namespace tidewatch {
namespace {

// Collects the answers of one classify() call.
class Gather final : public ScoreSink {
 public:
  explicit Gather(std::size_t count) : scores_(count), left_(count) {}

  void scored(std::uint64_t cookie, const Result<Scores>& scores, const ScoreTiming&) override {
    // Notified under the lock: the waiter frees this object as soon as it sees the last answer.
    MutexLock lock(mu_);
    if (scores) {
      scores_[cookie] = *scores;
    } else if (!error_) {
      error_ = scores.error();
    }
    if (--left_ == 0) done_.notify_all();
  }
  void answered(std::uint64_t index, const Scores& scores) {
    MutexLock lock(mu_);
    scores_[index] = scores;
    --left_;
  }
  void refused() {
    MutexLock lock(mu_);
    --left_;
    if (!error_) error_ = Error{Code::kResourceExhausted, "the engine is behind; try again later"};
  }
  Result<std::vector<Scores>> wait() {
    MutexLock lock(mu_);
    while (left_ > 0) done_.wait(mu_);
    if (error_) return *error_;
    return std::move(scores_);
  }

 private:
  Mutex mu_;
  CondVar done_;
  std::vector<Scores> scores_ GUARDED_BY(mu_);
  std::size_t left_ GUARDED_BY(mu_);
  std::optional<Error> error_ GUARDED_BY(mu_);
};

// Collects the answers of one classify_async() call, tells `done` and is gone.
class AsyncGather final : public ScoreSink {
 public:
  using Done = std::function<void(Result<std::vector<Scores>>)>;
  AsyncGather(std::size_t count, Metrics& metrics, Done done)
      : metrics_(metrics), scores_(count), left_(count + 1), done_(std::move(done)) {}

  void scored(std::uint64_t cookie, const Result<Scores>& scores,
              const ScoreTiming& timing) override {
    if (scores) {
      metrics_.observe(Stage::kQueue, timing.started_at - timing.enqueued_at);
      metrics_.observe(Stage::kInfer, timing.finished_at - timing.started_at);
      scores_[cookie] = *scores;  // each text has its own place
    } else {
      failed(scores.error());
    }
    release();
  }
  void answered(std::uint64_t index, const Scores& scores) {
    scores_[index] = scores;
    release();
  }
  void refused(Error error) {
    failed(std::move(error));
    release();
  }
  // Once for each text and once for whoever submits them; the last call ends the object's life.
  void release() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const std::unique_ptr<AsyncGather> self(this);
    std::optional<Error> error;
    {
      MutexLock lock(mu_);
      error = std::move(error_);
    }
    if (error) {
      done_(std::move(*error));
    } else {
      done_(std::move(scores_));
    }
  }

 private:
  void failed(Error error) {
    MutexLock lock(mu_);
    if (!error_) error_ = std::move(error);
  }

  Metrics& metrics_;
  std::vector<Scores> scores_;
  std::atomic<std::size_t> left_;
  Mutex mu_;
  std::optional<Error> error_ GUARDED_BY(mu_);
  const Done done_;
};

Status check_alike(const ModelManifest& first, const ModelManifest& second) {
  const char* differs = nullptr;
  if (first.labels != second.labels) differs = "labels";
  if (first.vocabulary.sha256 != second.vocabulary.sha256) differs = "vocabulary";
  if (first.max_length != second.max_length) differs = "max_length";
  if (differs == nullptr) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("models '{}' and '{}' differ in {}: '{}' needs two models that read and "
                           "answer alike; serve one of them by its name",
                           kCascadeFirst, kCascadeSecond, differs, kCascadeName)};
}

}  // namespace

Result<Tokenizer> load_tokenizer(const ModelManifest& manifest) {
  TRY_ASSIGN(auto vocabulary, Vocabulary::load(manifest.vocabulary.path));
  if (vocabulary->size() != manifest.vocabulary_size) {
    return Error{Code::kInvalidArgument,
                 manifest.vocabulary.path.string() + ": holds " +
                     std::to_string(vocabulary->size()) + " tokens but the manifest says " +
                     std::to_string(manifest.vocabulary_size) + "; it belongs to another model"};
  }
  return Tokenizer(std::move(vocabulary), TokenizerOptions{manifest.max_length});
}

Result<std::unique_ptr<Inference>> Inference::create(ModelRegistry& registry,
                                                     const Options& options, const Clock& clock,
                                                     Metrics& metrics) {
  const bool cascade = options.model == kCascadeName;
  TRY_ASSIGN(auto model, registry.load(cascade ? std::string{kCascadeFirst} : options.model));
  std::shared_ptr<const Model> second;
  if (cascade) {
    TRY_ASSIGN(second, registry.load(std::string{kCascadeSecond}));
    TRY(check_alike(model->manifest, second->manifest));
  }
  std::optional<Tokenizer> tokenizer;
  if (options.model != "none") {
    TRY_ASSIGN(tokenizer, load_tokenizer(model->manifest));
  }
  for (const auto& loaded : {model, second}) {
    if (loaded == nullptr || loaded->note.empty()) continue;
    log(LogLevel::kWarning, "infer", "not on the GPU",
        {{"model", loaded->manifest.name}, {"why", loaded->note}});
  }
  LabelSchema labels = model->manifest.labels;
  registry.activate(model);
  return std::unique_ptr<Inference>(new Inference(options, clock, metrics, std::move(labels),
                                                  std::move(tokenizer), std::move(model),
                                                  std::move(second)));
}

Inference::Inference(const Options& options, const Clock& clock, Metrics& metrics,
                     LabelSchema labels, std::optional<Tokenizer> tokenizer,
                     std::shared_ptr<const Model> first, std::shared_ptr<const Model> second)
    : options_(options),
      clock_(clock),
      metrics_(metrics),
      labels_(std::move(labels)),
      tokenizer_(std::move(tokenizer)),
      cache_(options.cache_bytes_max),
      pool_(options.bucket_items_max, kBucketTokens.back()),
      first_(std::move(first), metrics, clock) {
  const BackendShapes shapes = model()->backend->shapes();
  {
    const MutexLock lock(batches_mu_);
    batches_for_ = model()->version;
  }
  if (second) {
    Escalation::Options escalation;
    escalation.wait_when_full = options.escalation_waits;
    escalation.tokens_max = options.escalation_tokens_max;
    escalation.instances = options.escalation_instances;
    escalation.policy = policy_for(second->backend->shapes());
    escalation.bucket_items_max = options.bucket_items_max;
    escalation.deadline_reserve = options.deadline_reserve;
    second_ = std::make_unique<ModelSlot>(std::move(second), metrics_, clock_);
    escalation_ =
        std::make_unique<Escalation>(escalation, *second_, clock_, metrics_, cache_, first_);
  }
  Dispatcher::Options dispatch;
  dispatch.policy = policy_for(shapes);
  dispatch.workers = shapes.instances;
  scratch_.resize(shapes.instances);
  dispatch.bucket_items_max = options.bucket_items_max;
  dispatch.must_run_items = options.must_run_items;
  dispatcher_ = std::make_unique<Dispatcher>(
      dispatch, clock_,
      [this](std::size_t worker, std::span<BatchItem> batch) { run(worker, batch); },
      [this](BatchItem& item, Code why) { drop(item, why); });
  if (options.measure && classifies()) {
    measure_profile(*model(), dispatcher_->profile(), clock_);
    if (second_) measure_profile(*second_->model(), escalation_->profile(), clock_);
  }
}

Inference::~Inference() = default;

BatchPolicyOptions Inference::policy_for(const BackendShapes& shapes) const {
  BatchPolicyOptions policy = options_.policy;
  if (shapes.packs_lengths && !options_.batch_max_set) policy.batch_max = shapes.batch_max;
  policy.batch_max = std::min(policy.batch_max, shapes.batch_max);
  if (shapes.packs_lengths) {
    // While one run is under way the next one's texts gather by themselves.
    if (!options_.window_set) policy.window = std::chrono::microseconds{0};
    policy.mixes_lengths = true;
    policy.tokens_max = shapes.tokens_a_run;
    policy.runs_max = shapes.runs_at_once;
    return policy;
  }
  if (!shapes.gains_from_batches && !options_.window_set) {
    // A free worker never waits; from a queue it takes what it can run in a millisecond.
    policy.window = std::chrono::microseconds{0};
    policy.mixes_lengths = true;
  }
  return policy;
}

std::string Inference::name() const {
  return escalation_ ? std::string{kCascadeName} : model()->manifest.name;
}

std::string Inference::version() const {
  std::string version = model()->manifest.version;
  if (second_) version += "+" + second_->model()->manifest.version;
  return version;
}

std::vector<std::shared_ptr<const Model>> Inference::models() const {
  std::vector<std::shared_ptr<const Model>> models{model()};
  if (second_) models.push_back(second_->model());
  return models;
}

std::vector<ModelSlot*> Inference::slots() {
  std::vector<ModelSlot*> slots{&first_};
  if (second_) slots.push_back(second_.get());
  return slots;
}

std::vector<const ModelSlot*> Inference::slots() const {
  std::vector<const ModelSlot*> slots{&first_};
  if (second_) slots.push_back(second_.get());
  return slots;
}

std::string_view Inference::answered_by(const Scores& scores) const {
  if (scores.model.value == 0) return {};
  return second_ && second_->had(scores.model) ? second_->name() : first_.name();
}

void Inference::tokenize(std::string_view text, std::vector<std::int32_t>& token_ids) const {
  token_ids.clear();
  if (!tokenizer_ || text.empty()) return;
  std::array<std::int32_t, 512> ids;  // tokens_max is at most 512 (manifest); filled by encode
  const std::size_t count = tokenizer_->encode(text, ids);
  token_ids.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
}

Scores Inference::unclassified() const {
  Scores scores;
  scores.emotion = labels_.neutral;
  return scores;
}

ScoreCache::Key Inference::key_for(std::span<const std::int32_t> token_ids,
                                   ModelVersion first) const {
  return ScoreCache::key_of(token_ids, first,
                            second_ ? second_->version_for(token_ids) : ModelVersion{});
}

std::optional<Scores> Inference::cached(std::span<const std::int32_t> token_ids) {
  const auto found = cache_.find(key_for(token_ids, first_.version_for(token_ids)));
  if (found) {
    metrics_.cache_hits().add();
  } else {
    metrics_.cache_misses().add();
  }
  return found;
}

bool Inference::submit(std::vector<std::int32_t>&& token_ids, ScoreSink* sink, std::uint64_t cookie,
                       bool wait, const RequestLimits& limits) {
  BatchItem item;
  item.token_ids = std::move(token_ids);
  item.sink = sink;
  item.cookie = cookie;
  item.limits = limits;
  return enqueue(std::move(item), wait);
}

bool Inference::enqueue(BatchItem&& item, bool wait) {
  return wait ? dispatcher_->submit(std::move(item))
              : static_cast<bool>(dispatcher_->try_submit(std::move(item)));
}

void Inference::run(std::size_t worker, std::span<BatchItem> batch) {
  const SteadyTime started = clock_.steady_now();
  Scratch& scratch = scratch_[worker];
  scratch.ids.clear();
  scratch.offsets.assign(1, 0);
  bool label_tokens = false;
  for (const BatchItem& item : batch) {
    scratch.ids.insert(scratch.ids.end(), item.token_ids.begin(), item.token_ids.end());
    scratch.offsets.push_back(static_cast<std::uint32_t>(scratch.ids.size()));
    label_tokens |= item.token_labels != nullptr;
  }
  scratch.scores.assign(batch.size(), Scores{});
  const RaggedBatch ragged{scratch.ids, scratch.offsets};
  std::vector<TokenLabels> sequences(label_tokens ? batch.size() : 0);
  const Status status = first_.run(worker, ragged, scratch.scores, sequences);
  adapt_batches();
  const SteadyTime finished = clock_.steady_now();
  metrics_.batch_size().observe(static_cast<double>(batch.size()));
  metrics_.batch_token_fill_ratio().observe(first_.model()->backend->last_fill(worker));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    BatchItem& item = batch[i];
    const ScoreTiming timing{item.enqueued_at, started, finished};
    metrics_.latency_predicted().observe(
        std::chrono::duration<double>(item.predicted_wait).count());
    metrics_.latency_actual().observe(
        std::chrono::duration<double>(started - item.enqueued_at).count());
    if (status) {
      if (item.token_labels != nullptr) *item.token_labels = std::move(sequences[i]);
      answer(item, scratch.scores[i], timing);
    } else {
      item.sink->scored(item.cookie, status.error(), timing);
    }
    // Still here unless the second model took them.
    if (item.token_ids.capacity() > 0) pool_.give_back(std::move(item.token_ids));
  }
}

// A swap may have brought a backend that wants other batches.
void Inference::adapt_batches() {
  const MutexLock lock(batches_mu_);
  const std::shared_ptr<const Model> now = model();
  if (now->version == batches_for_) return;
  batches_for_ = now->version;
  dispatcher_->set_policy(policy_for(now->backend->shapes()));
}

void Inference::drop(BatchItem& item, Code why) {
  const SteadyTime now = clock_.steady_now();
  if (why == Code::kCancelled) {
    metrics_.cancelled().add();
    item.sink->scored(item.cookie, Error{why, "cancelled by the client"},
                      {item.enqueued_at, now, now});
  } else {
    metrics_.expired().add();
    item.sink->scored(item.cookie, Error{why, "the deadline passed while the text waited"},
                      {item.enqueued_at, now, now});
  }
  pool_.give_back(std::move(item.token_ids));
}

bool Inference::may_escalate(const BatchItem& item) {
  if (options_.escalation_waits) return true;
  if (dispatcher_->predicted_wait() > options_.escalation_pressure_max) {
    metrics_.cascade_skipped("pressure").add();
    return false;
  }
  if (item.limits.is_cancelled()) return false;
  return true;
}

void Inference::answer(BatchItem& item, const Scores& scores, const ScoreTiming& timing) {
  const ScoreCache::Key key = key_for(item.token_ids, scores.model);
  if (escalation_ && cascade_doubt(options_.margins, scores).any()) {
    // Declined, the answer is not remembered: the same text may find room the next time.
    if (may_escalate(item)) {
      const Offer offer = escalation_->offer(item, {key, scores, timing});
      if (offer) return;
      metrics_.cascade_skipped(offer.verdict == Offer::Verdict::kTooLate ? "deadline" : "full")
          .add();
    }
  } else {
    cache_.insert(key, scores);
  }
  first_.count_answered(scores.model);
  item.sink->scored(item.cookie, scores, timing);
}

Result<std::vector<Scores>> Inference::classify(std::span<const std::string> texts,
                                                std::vector<TokenLabels>* sequences) {
  Gather gather(texts.size());
  if (sequences != nullptr) sequences->assign(texts.size(), {});
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    tokenize(texts[i], ids);
    if (ids.empty()) {
      gather.answered(i, unclassified());
      continue;
    }
    BatchItem item;
    if (sequences != nullptr) {
      item.token_labels = &(*sequences)[i];
    } else if (const auto found = cached(ids)) {
      gather.answered(i, *found);
      continue;
    }
    item.token_ids = std::move(ids);
    item.sink = &gather;
    item.cookie = i;
    if (!enqueue(std::move(item), /*wait=*/true)) gather.refused();
  }
  return gather.wait();
}

void Inference::classify_async(std::span<const std::string> texts, const RequestLimits& limits,
                               std::function<void(Result<std::vector<Scores>>)> done) {
  const auto behind = [&](std::chrono::nanoseconds wait) {
    const auto retry = std::chrono::ceil<std::chrono::milliseconds>(wait);
    metrics_.refused("deadline").add();
    return Error{
        Code::kResourceExhausted,
        fmt::format("the deadline cannot be kept: the predicted wait is {} ms", retry.count()),
        retry};
  };
  // Tokens of all texts first: a call is refused as a whole, before any of it is queued.
  struct Waiting {
    std::size_t index;
    std::vector<std::int32_t> ids;
  };
  std::vector<Waiting> waiting;
  auto* gather = new AsyncGather(texts.size(), metrics_, std::move(done));  // release() frees it
  LatencyProfile::Shape shape;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::int32_t> ids = token_buffer();
    tokenize(texts[i], ids);
    std::optional<Scores> known;
    if (ids.empty()) {
      known = unclassified();
    } else {
      known = cached(ids);
    }
    if (known) {
      give_back(std::move(ids));
      gather->answered(i, *known);
    } else {
      shape.add(ids.size());
      waiting.push_back({i, std::move(ids)});
    }
  }
  std::optional<Error> refused;
  if (limits.deadline != SteadyTime::max() && !waiting.empty()) {
    const std::chrono::nanoseconds wait =
        predicted_wait(limits.priority) + dispatcher_->least_time(shape);
    if (clock_.steady_now() + wait > limits.deadline) refused = behind(wait);
  }
  for (Waiting& text : waiting) {
    if (refused) {
      give_back(std::move(text.ids));
      gather->refused(*refused);
      continue;
    }
    BatchItem item;
    item.token_ids = std::move(text.ids);
    item.sink = gather;
    item.cookie = text.index;
    item.limits = limits;
    item.must_run = false;
    const Offer offer = dispatcher_->try_submit(std::move(item));
    if (offer) continue;
    // A refused item is left as it was: NOLINTNEXTLINE(bugprone-use-after-move)
    give_back(std::move(item.token_ids));
    if (offer.verdict == Offer::Verdict::kTooLate) {
      refused = behind(offer.predicted);
    } else {
      metrics_.refused("full").add();
      refused = Error{Code::kResourceExhausted, "the engine is behind; try again later",
                      std::chrono::ceil<std::chrono::milliseconds>(offer.predicted)};
    }
    gather->refused(*refused);
  }
  gather->release();
}

void Inference::drain() {
  dispatcher_->drain();
  if (escalation_) escalation_->drain();
}

std::size_t Inference::queue_depth() const { return dispatcher_->queue_depth(); }

std::size_t Inference::escalation_queue_depth() const {
  return escalation_ ? escalation_->queue_depth() : 0;
}

}  // namespace tidewatch
