// SPDX-License-Identifier: Apache-2.0
#include "batch/dispatcher.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "batch/urgency.h"
#include "core/thread_name.h"

namespace tidewatch {
namespace {

using std::chrono::nanoseconds;

// A wait shorter than this is all scheduling and says nothing about the prediction.
constexpr nanoseconds kWaitTold{500'000};
constexpr double kWaitCorrection = 0.02;
constexpr double kWaitFactorMax = 8.0;
constexpr std::size_t kUsualTokens = 64;  // of a text, to say how many a mixed run holds

nanoseconds scaled(nanoseconds time, double factor) noexcept {
  return nanoseconds{static_cast<std::int64_t>(static_cast<double>(time.count()) * factor)};
}

}  // namespace

Dispatcher::Dispatcher(Options options, const Clock& clock, Run run, Drop drop)
    : options_(std::move(options)),
      clock_(clock),
      run_(std::move(run)),
      drop_(std::move(drop)),
      policy_(options_.policy) {
  assert(options_.workers > 0 && options_.policy.batch_max > 0);
  assert(options_.policy.window <= kWindowMax);
  scratch_.resize(options_.workers);
  free_at_.resize(options_.workers);
  for (Worker& scratch : scratch_) {
    scratch.batch.reserve(options_.policy.batch_max);
    scratch.dropped.reserve(options_.policy.batch_max);
    scratch.why.reserve(options_.policy.batch_max);
  }
  workers_.reserve(options_.workers);
  for (std::size_t i = 0; i < options_.workers; ++i) {
    workers_.emplace_back([this, i] { work(i); });
  }
}

Dispatcher::~Dispatcher() { stop(); }

std::size_t Dispatcher::usual_batch() const {
  // What a run will hold when there is a queue; alone, a text runs alone.
  const std::size_t fair = std::clamp<std::size_t>(depth_ / options_.workers, 1, policy_.batch_max);
  if (!policy_.mixes_lengths) return fair;
  // A mixed run ends at its time, by texts of a usual length.
  const nanoseconds one = profile_.share(kUsualTokens, 1);
  if (one <= nanoseconds{0}) return fair;
  const auto fits = static_cast<std::size_t>(policy_.run_time_max / one);
  return std::clamp<std::size_t>(fits, 1, fair);
}

std::size_t Dispatcher::runs_max() const {
  return policy_.runs_max == 0 ? options_.workers : std::min(policy_.runs_max, options_.workers);
}

void Dispatcher::set_policy(const BatchPolicyOptions& policy) {
  assert(policy.batch_max > 0 && policy.window <= kWindowMax);
  {
    MutexLock lock(mu_);
    policy_ = policy;
    backlog_ = patient_backlog_ = {};
    for (const auto& heap : heaps_) {
      for (const Place& place : heap) {
        const BatchItem& item = slots_[place.slot];
        backlog_of(item.limits) += work_of(item.token_ids.size(), usual_batch());
      }
    }
  }
  has_work_.notify_all();
}

std::int64_t Dispatcher::work_of(std::size_t tokens, std::size_t usual) const {
  return fills_by_ids() ? static_cast<std::int64_t>(tokens) : profile_.share(tokens, usual).count();
}

std::int64_t Dispatcher::work_before(const RequestLimits& limits) const {
  std::int64_t work = 0;
  for (std::size_t p = 0; p <= static_cast<std::size_t>(limits.priority); ++p) {
    work += backlog_[p];
    if (limits.deadline == SteadyTime::max()) work += patient_backlog_[p];
  }
  return work;
}

std::int64_t& Dispatcher::backlog_of(const RequestLimits& limits) {
  const auto priority = static_cast<std::size_t>(limits.priority);
  return limits.deadline == SteadyTime::max() ? patient_backlog_[priority] : backlog_[priority];
}

nanoseconds Dispatcher::wait_for(const RequestLimits& limits, SteadyTime now) const {
  const auto workers = static_cast<std::int64_t>(runs_max());
  const std::int64_t before = work_before(limits);
  if (fills_by_ids()) {
    // The next worker that is free takes a whole run's worth, so only full runs stand before it.
    const auto full = static_cast<std::int64_t>(policy_.tokens_max);
    nanoseconds wait{0};
    if (running_ >= runs_max()) {
      wait = nanoseconds::max();
      for (const SteadyTime free_at : free_at_) {
        if (free_at != SteadyTime{}) wait = std::min(wait, nanoseconds{free_at - now});
      }
      wait = wait == nanoseconds::max() ? nanoseconds{0} : std::max(nanoseconds{0}, wait);
    }
    const nanoseconds usual = profile_.share(kUsualTokens, policy_.tokens_max / kUsualTokens);
    const nanoseconds run = usual * full / static_cast<std::int64_t>(kUsualTokens);
    return scaled(wait + before / full * run / workers, wait_factor_);
  }
  nanoseconds work{before};
  for (const SteadyTime free_at : free_at_) {
    if (free_at > now) work += free_at - now;
  }
  return scaled(work / workers, wait_factor_);
}

nanoseconds Dispatcher::own_run(std::size_t tokens, const RequestLimits& limits) const {
  // An idle engine takes what it could do at its best: a prediction that is too high would
  // otherwise never be corrected.
  if (depth_ == 0 && running_ == 0) return profile_.share_at_best(tokens, 1);
  if (!fills_by_ids() || tokens == 0) return profile_.share(tokens, 1);
  // Together with what is left over from the full runs before it.
  const auto before = static_cast<std::size_t>(work_before(limits)) % policy_.tokens_max;
  const nanoseconds share = profile_.share(tokens, 1 + before / kUsualTokens);
  return share * static_cast<std::int64_t>(before + tokens) / static_cast<std::int64_t>(tokens);
}

void Dispatcher::enqueue(std::size_t bucket, BatchItem&& item, SteadyTime now) {
  item.enqueued_at = now;
  backlog_of(item.limits) += work_of(item.token_ids.size(), usual_batch());
  std::uint32_t slot = 0;
  const std::int64_t key = urgency(item.limits, now);
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.push_back(std::move(item));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = std::move(item);
  }
  heaps_[bucket].push_back({key, next_order_++, slot});
  std::push_heap(heaps_[bucket].begin(), heaps_[bucket].end());
  ++depth_;
}

Offer Dispatcher::try_submit(BatchItem&& item) {
  const std::size_t tokens = item.token_ids.size();
  const std::size_t bucket = bucket_for(tokens);
  Offer offer;
  bool wake = false;
  {
    MutexLock lock(mu_);
    if (stopped_) return {Offer::Verdict::kStopped, {}};
    const SteadyTime now = clock_.steady_now();
    const nanoseconds wait = wait_for(item.limits, now);
    offer.predicted = wait + own_run(tokens, item.limits);
    const std::size_t kept = item.must_run ? 0 : options_.must_run_items;
    if (heaps_[bucket].size() + kept >= options_.bucket_items_max) {
      offer.verdict = Offer::Verdict::kFull;
      return offer;
    }
    if (!item.must_run && item.limits.deadline != SteadyTime::max() &&
        now + offer.predicted > item.limits.deadline) {
      offer.verdict = Offer::Verdict::kTooLate;
      return offer;
    }
    item.predicted_wait = wait;
    enqueue(bucket, std::move(item), now);
    wake = sleeping_ > 0;
  }
  if (wake) has_work_.notify_one();
  return offer;
}

bool Dispatcher::submit(BatchItem&& item) {
  const std::size_t bucket = bucket_for(item.token_ids.size());
  bool wake = false;
  {
    MutexLock lock(mu_);
    while (!stopped_ && heaps_[bucket].size() >= options_.bucket_items_max) has_room_.wait(mu_);
    if (stopped_) return false;
    const SteadyTime now = clock_.steady_now();
    item.predicted_wait = wait_for(item.limits, now);
    enqueue(bucket, std::move(item), now);
    wake = sleeping_ > 0;
  }
  if (wake) has_work_.notify_one();
  return true;
}

nanoseconds Dispatcher::predicted_wait(Priority priority) const {
  MutexLock lock(mu_);
  RequestLimits limits;
  limits.deadline = SteadyTime::min();  // any: what has none is overtaken
  limits.priority = priority;
  return wait_for(limits, clock_.steady_now());
}

nanoseconds Dispatcher::least_time(const LatencyProfile::Shape& texts) const {
  MutexLock lock(mu_);
  std::size_t ids = 0;
  for (const std::uint32_t n : texts.tokens) ids += n;
  if (ids == 0) return nanoseconds{0};
  std::size_t together = 1;
  std::size_t at_once = runs_max();
  if (fills_by_ids()) {
    const std::size_t runs = (ids + policy_.tokens_max - 1) / policy_.tokens_max;
    together = (texts.count() + runs - 1) / runs;
    at_once = std::min(runs_max(), runs);
  }
  nanoseconds sum{0};
  for (std::size_t b = 0; b < kBuckets; ++b) {
    sum += profile_.share_at_best(kBucketTokens[b], together) *
           static_cast<std::int64_t>(texts.tokens[b]) / static_cast<std::int64_t>(kBucketTokens[b]);
  }
  return sum / static_cast<std::int64_t>(at_once);
}

QueueView Dispatcher::view(SteadyTime now) const {
  QueueView view{};
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (heaps_[i].empty()) continue;
    const BatchItem& first = slots_[heaps_[i].front().slot];
    view[i].depth = heaps_[i].size();
    view[i].oldest = first.enqueued_at;
    view[i].urgency = heaps_[i].front().urgency;
    if (first.limits.deadline != SteadyTime::max()) {
      const std::size_t count = std::min(heaps_[i].size(), policy_.batch_max);
      const nanoseconds run =
          profile_.share(kBucketTokens[i], count) * static_cast<std::int64_t>(count);
      view[i].start_by = std::max(first.limits.deadline - run, now);
    }
  }
  return view;
}

std::size_t Dispatcher::most_urgent_bucket() const {
  std::size_t best = kBuckets;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (heaps_[i].empty()) continue;
    if (best == kBuckets || heaps_[best].front() < heaps_[i].front()) best = i;
  }
  return best;
}

BatchItem Dispatcher::take(std::size_t bucket) {
  auto& heap = heaps_[bucket];
  std::pop_heap(heap.begin(), heap.end());
  const std::uint32_t slot = heap.back().slot;
  heap.pop_back();
  free_slots_.push_back(slot);
  --depth_;
  return std::move(slots_[slot]);
}

void Dispatcher::fill(std::size_t worker, const BatchDecision& decision, SteadyTime now) {
  Worker& scratch = scratch_[worker];
  const bool mixed = policy_.mixes_lengths;
  // A queue is shared out: the last texts are not all one worker's while another has none.
  const std::size_t fair = (depth_ + options_.workers - 1) / options_.workers;
  const std::size_t count =
      mixed && !fills_by_ids() ? std::clamp<std::size_t>(fair, 1, decision.count) : decision.count;
  const std::size_t usual = mixed ? usual_batch() : count;
  std::size_t tokens_taken = 0;
  nanoseconds run_time{0};
  LatencyProfile::Shape shape;
  while (scratch.batch.size() < count && scratch.dropped.size() < policy_.batch_max) {
    const std::size_t bucket = mixed ? most_urgent_bucket() : decision.bucket;
    if (bucket == kBuckets || heaps_[bucket].empty()) break;
    const std::size_t tokens = slots_[heaps_[bucket].front().slot].token_ids.size();
    const nanoseconds share = profile_.share(tokens, usual);
    const bool full = fills_by_ids() ? tokens_taken + tokens > policy_.tokens_max
                                     : run_time + share > policy_.run_time_max;
    if (mixed && !scratch.batch.empty() && full) break;
    BatchItem item = take(bucket);
    std::int64_t& backlog = backlog_of(item.limits);
    backlog = empty() ? 0 : std::max<std::int64_t>(0, backlog - work_of(tokens, usual));
    if (!item.must_run && item.limits.is_cancelled()) {
      scratch.dropped.push_back(std::move(item));
      scratch.why.push_back(Code::kCancelled);
    } else if (!item.must_run && now + profile_.share_at_best(tokens, 1) > item.limits.deadline) {
      // By the best it could take: what an idle engine admitted is run, and the profile learns.
      scratch.dropped.push_back(std::move(item));
      scratch.why.push_back(Code::kDeadlineExceeded);
    } else {
      if (item.predicted_wait > kWaitTold) {
        const double turned_out = static_cast<double>((now - item.enqueued_at).count()) /
                                  static_cast<double>(item.predicted_wait.count());
        wait_factor_ =
            std::clamp(wait_factor_ * (1.0 + kWaitCorrection * (std::min(turned_out, 4.0) - 1.0)),
                       0.5, kWaitFactorMax);
      }
      run_time += share;
      tokens_taken += tokens;
      shape.add(tokens);
      scratch.batch.push_back(std::move(item));
    }
  }
  if (empty()) backlog_ = patient_backlog_ = {};
  free_at_[worker] = now + profile_.predict(shape);
}

bool Dispatcher::next_batch(std::size_t worker) {
  MutexLock lock(mu_);
  while (true) {
    BatchPolicyOptions policy = policy_;
    if (draining_ || stopped_) policy.window = policy.fallback = std::chrono::microseconds{0};
    const SteadyTime now = clock_.steady_now();
    // As many runs as there may be: a worker that ends one goes on with what waits.
    const bool busy = running_ >= runs_max() && depth_ > 0;
    const BatchDecision decision = busy ? BatchDecision{} : decide_batch(policy, view(now), now);
    if (decision.kind == BatchDecision::Kind::kFlush) {
      fill(worker, decision, now);
      ++running_;
      // Another worker takes over the timer of what is left.
      if (depth_ > 0 && sleeping_ > 0) has_work_.notify_one();
      return true;
    }
    if (stopped_ && !busy) {
      has_work_.notify_all();  // for those that waited for a run to end
      return false;
    }
    ++sleeping_;
    if (decision.has_wake) {
      has_work_.wait_until(mu_, decision.wake);
    } else {
      has_work_.wait(mu_);
    }
    --sleeping_;
  }
}

void Dispatcher::work(std::size_t worker) {
  name_thread(options_.name + "-" + std::to_string(worker));
  Worker& scratch = scratch_[worker];
  while (next_batch(worker)) {
    has_room_.notify_all();
    for (std::size_t i = 0; i < scratch.dropped.size(); ++i) {
      if (drop_) drop_(scratch.dropped[i], scratch.why[i]);
    }
    if (!scratch.batch.empty()) {
      LatencyProfile::Shape shape;
      for (const BatchItem& item : scratch.batch) shape.add(item.token_ids.size());
      const SteadyTime started = clock_.steady_now();
      run_(worker, scratch.batch);
      profile_.observe(shape, clock_.steady_now() - started);
    }
    scratch.batch.clear();
    scratch.dropped.clear();
    scratch.why.clear();
    bool idle = false;
    {
      MutexLock lock(mu_);
      --running_;
      free_at_[worker] = {};
      idle = running_ == 0 && empty();
    }
    if (idle) idle_.notify_all();
  }
}

void Dispatcher::drain() {
  {
    MutexLock lock(mu_);
    draining_ = true;
  }
  has_work_.notify_all();
  MutexLock lock(mu_);
  while (running_ > 0 || !empty()) idle_.wait(mu_);
  draining_ = false;
}

void Dispatcher::stop() {
  {
    MutexLock lock(mu_);
    stopped_ = true;
  }
  has_work_.notify_all();
  has_room_.notify_all();
  workers_.clear();  // joins
}

std::size_t Dispatcher::queue_depth() const {
  MutexLock lock(mu_);
  return depth_;
}

std::size_t Dispatcher::bucket_depth(std::size_t bucket) const {
  assert(bucket < kBuckets);
  MutexLock lock(mu_);
  return heaps_[bucket].size();
}

}  // namespace tidewatch
