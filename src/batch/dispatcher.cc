// SPDX-License-Identifier: Apache-2.0
#include "batch/dispatcher.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tidewatch {

Dispatcher::Dispatcher(Options options, const Clock& clock, Run run)
    : options_(std::move(options)), clock_(clock), run_(std::move(run)) {
  assert(options_.workers > 0 && options_.policy.batch_max > 0);
  assert(options_.policy.window <= kWindowMax);
  workers_.reserve(options_.workers);
  for (std::size_t i = 0; i < options_.workers; ++i) {
    workers_.emplace_back([this, i] { work(i); });
  }
}

Dispatcher::~Dispatcher() { stop(); }

void Dispatcher::enqueue(std::size_t bucket, BatchItem&& item) {
  item.enqueued_at = clock_.steady_now();
  buckets_[bucket].push_back(std::move(item));
}

bool Dispatcher::try_submit(BatchItem&& item) {
  const std::size_t bucket = bucket_for(item.token_ids.size());
  {
    MutexLock lock(mu_);
    if (stopped_ || buckets_[bucket].size() >= options_.bucket_items_max) return false;
    enqueue(bucket, std::move(item));
  }
  has_work_.notify_one();
  return true;
}

bool Dispatcher::submit(BatchItem&& item) {
  const std::size_t bucket = bucket_for(item.token_ids.size());
  {
    MutexLock lock(mu_);
    while (!stopped_ && buckets_[bucket].size() >= options_.bucket_items_max) has_room_.wait(mu_);
    if (stopped_) return false;
    enqueue(bucket, std::move(item));
  }
  has_work_.notify_one();
  return true;
}

QueueView Dispatcher::view() const {
  QueueView view{};
  for (std::size_t i = 0; i < kBuckets; ++i) {
    view[i].depth = buckets_[i].size();
    if (!buckets_[i].empty()) view[i].oldest = buckets_[i].front().enqueued_at;
  }
  return view;
}

bool Dispatcher::empty() const {
  return std::all_of(buckets_.begin(), buckets_.end(), [](const auto& b) { return b.empty(); });
}

bool Dispatcher::next_batch(std::vector<BatchItem>& batch) {
  MutexLock lock(mu_);
  while (true) {
    BatchPolicyOptions policy = options_.policy;
    if (draining_ || stopped_) policy.window = policy.fallback = std::chrono::microseconds{0};
    const BatchDecision decision = decide_batch(policy, view(), clock_.steady_now());
    if (decision.kind == BatchDecision::Kind::kFlush) {
      auto& bucket = buckets_[decision.bucket];
      const auto end = bucket.begin() + static_cast<std::ptrdiff_t>(decision.count);
      batch.assign(std::make_move_iterator(bucket.begin()), std::make_move_iterator(end));
      bucket.erase(bucket.begin(), end);
      ++running_;
      return true;
    }
    if (stopped_) return false;
    if (decision.has_wake) {
      has_work_.wait_until(mu_, decision.wake);
    } else {
      has_work_.wait(mu_);
    }
  }
}

void Dispatcher::work(std::size_t worker) {
  std::vector<BatchItem> batch;
  batch.reserve(options_.policy.batch_max);
  while (next_batch(batch)) {
    has_room_.notify_all();
    has_work_.notify_one();  // another worker takes over the timer of what is left
    run_(worker, batch);
    batch.clear();
    bool idle = false;
    {
      MutexLock lock(mu_);
      --running_;
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
  std::size_t depth = 0;
  for (const auto& bucket : buckets_) depth += bucket.size();
  return depth;
}

std::size_t Dispatcher::bucket_depth(std::size_t bucket) const {
  assert(bucket < kBuckets);
  MutexLock lock(mu_);
  return buckets_[bucket].size();
}

}  // namespace tidewatch
