// SPDX-License-Identifier: Apache-2.0
#include "app/escalation.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tidewatch {
namespace {

// Both models' time counts as computing, the rest of a text's stay as waiting.
ScoreTiming both_runs(const ScoreTiming& first, SteadyTime started, SteadyTime finished) {
  const auto computing = (first.finished_at - first.started_at) + (finished - started);
  return {first.enqueued_at, finished - computing, finished};
}

}  // namespace

Escalation::Escalation(const Options& options, std::shared_ptr<const Model> model,
                       const Clock& clock, Metrics& metrics, ScoreCache& cache,
                       Counter& answered_first)
    : options_(options),
      model_(std::move(model)),
      clock_(clock),
      cache_(cache),
      inferred_(metrics.inferred(model_->manifest.name, model_->manifest.version)),
      escalated_(metrics.cascade_escalated()),
      answered_(metrics.answered(model_->manifest.name, model_->manifest.version)),
      answered_first_(answered_first),
      failed_(metrics.cascade_skipped("failed")),
      late_(metrics.cascade_skipped("deadline")) {
  const BackendShapes& shapes = model_->backend->shapes();
  Dispatcher::Options dispatch;
  dispatch.name = "second";
  dispatch.policy = options_.policy;
  dispatch.policy.batch_max = std::min(options_.policy.batch_max, shapes.batch_max);
  const std::size_t wanted = options_.instances != 0   ? options_.instances
                             : options_.wait_when_full ? shapes.instances
                                                       : (shapes.instances + 1) / 2;
  dispatch.workers = std::min(wanted, shapes.instances);
  dispatch.bucket_items_max = options_.bucket_items_max;
  dispatcher_ = std::make_unique<Dispatcher>(
      dispatch, clock_,
      [this](std::size_t worker, std::span<BatchItem> batch) { run(worker, batch); },
      [this](BatchItem& item, Code) { drop(item); });
}

Escalation::~Escalation() = default;

bool Escalation::reserve(std::size_t tokens) noexcept {
  std::size_t before = tokens_.load(std::memory_order_relaxed);
  do {
    if (!options_.wait_when_full && before != 0 && before + tokens > options_.tokens_max) {
      return false;
    }
  } while (!tokens_.compare_exchange_weak(before, before + tokens, std::memory_order_relaxed));
  return true;
}

Offer Escalation::offer(BatchItem& item, const Doubtful& doubtful) {
  const std::size_t tokens = item.token_ids.size();
  if (!reserve(tokens)) return {Offer::Verdict::kFull, {}};
  BatchItem queued;
  {
    MutexLock lock(mu_);
    queued.cookie = next_ticket_++;
    pending_.emplace(queued.cookie, Pending{doubtful, item.sink, item.cookie});
  }
  queued.token_ids = std::move(item.token_ids);
  queued.limits = item.limits;
  if (!options_.wait_when_full && item.limits.deadline != SteadyTime::max()) {
    queued.must_run = false;
    queued.limits.deadline -= options_.deadline_reserve;
  }
  const std::uint64_t ticket = queued.cookie;
  Offer offer;
  if (options_.wait_when_full) {
    if (!dispatcher_->submit(std::move(queued))) offer.verdict = Offer::Verdict::kStopped;
  } else {
    offer = dispatcher_->try_submit(std::move(queued));
  }
  if (offer) {
    escalated_.add();
    return offer;
  }
  // A refused item is left as it was: NOLINTNEXTLINE(bugprone-use-after-move)
  item.token_ids = std::move(queued.token_ids);
  tokens_.fetch_sub(tokens, std::memory_order_relaxed);
  MutexLock lock(mu_);
  pending_.erase(ticket);
  return offer;
}

void Escalation::drop(BatchItem& item) {
  const Pending pending = take({&item, 1}).front();
  tokens_.fetch_sub(item.token_ids.size(), std::memory_order_relaxed);
  late_.add();
  answered_first_.add();
  pending.sink->scored(pending.cookie, pending.doubtful.first, pending.doubtful.timing);
}

std::vector<Escalation::Pending> Escalation::take(std::span<const BatchItem> batch) {
  std::vector<Pending> taken;
  MutexLock lock(mu_);
  for (const BatchItem& item : batch) {
    const auto found = pending_.find(item.cookie);
    taken.push_back(found->second);
    pending_.erase(found);
  }
  return taken;
}

void Escalation::run(std::size_t worker, std::span<BatchItem> batch) {
  const SteadyTime started = clock_.steady_now();
  const std::vector<Pending> pending = take(batch);
  // The same text may have been answered while this one waited.
  std::vector<std::optional<Scores>> answers;
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0};
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    tokens += batch[i].token_ids.size();
    answers.push_back(cache_.find(pending[i].doubtful.key));
    if (answers.back()) continue;
    ids.insert(ids.end(), batch[i].token_ids.begin(), batch[i].token_ids.end());
    offsets.push_back(static_cast<std::uint32_t>(ids.size()));
  }
  std::vector<Scores> scores(offsets.size() - 1);
  Status status;
  if (!scores.empty()) {
    status = model_->backend->run(worker, RaggedBatch{ids, offsets}, scores);
    inferred_.add(scores.size());
  }
  const SteadyTime finished = clock_.steady_now();
  tokens_.fetch_sub(tokens, std::memory_order_relaxed);
  std::size_t next = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Doubtful& doubtful = pending[i].doubtful;
    Scores answer = doubtful.first;
    if (answers[i]) {
      answer = *answers[i];
      answered_.add();
    } else if (status) {
      answer = scores[next++];
      answer.model = model_->version;
      cache_.insert(doubtful.key, answer);
      answered_.add();
    } else {
      failed_.add();
      answered_first_.add();
    }
    pending[i].sink->scored(pending[i].cookie, answer,
                            both_runs(doubtful.timing, started, finished));
  }
}

}  // namespace tidewatch
