// SPDX-License-Identifier: Apache-2.0
#include "app/pipeline.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "observe/log.h"

namespace tidewatch {
namespace {

// Equal for texts that are equal once normalised; of the raw text when nothing is tokenized.
std::uint64_t hash_text(const Post& post, std::span<const std::int32_t> token_ids) {
  if (post.text.empty()) return 0;
  if (token_ids.empty()) return XXH3_64bits(post.text.data(), post.text.size());
  return XXH3_64bits(token_ids.data(), token_ids.size_bytes());
}

// Beside the prediction, for what it does not foresee.
constexpr std::chrono::milliseconds kAdmissionMargin{5};

}  // namespace

Pipeline::Pipeline(Options options, const Clock& clock, Inference& inference, Store& store,
                   StageTimes& times, OnStored on_stored)
    : slots_max_(options.posts_in_flight_max),
      target_(options.target),
      clock_(clock),
      inference_(inference),
      times_(times),
      on_stored_(std::move(on_stored)) {
  assert(slots_max_ > 0);
  slots_.resize(slots_max_);
  StoreWriter::Options writer;
  writer.queue_posts_max = slots_max_;  // every admitted post fits: release() never waits
  writer.batch_posts_max = options.commit_posts_max;
  writer.clock = &clock;
  writer_ = std::make_unique<StoreWriter>(
      store, inference.labels(), writer,
      [this](std::span<CommittedPost> posts, const Status& status) { on_commit(posts, status); });
}

Pipeline::~Pipeline() { drain(); }

Pipeline::Admission Pipeline::submit(Post&& post, SteadyTime received_at,
                                     std::shared_ptr<CommitListener> listener, std::uint64_t cookie,
                                     bool wait, SteadyTime deadline) {
  const SteadyTime before = clock_.steady_now();
  RequestLimits limits;
  if (deadline != SteadyTime::max()) {
    if (!wait && before + time_to_allow() > deadline) {
      return Admission::kBehind;
    }
    limits.deadline = deadline;
  } else if (!wait) {
    limits.deadline = before + target_;
  }
  std::vector<std::int32_t> ids = inference_.token_buffer();
  inference_.tokenize(post.text, ids);
  const std::uint64_t text_hash = hash_text(post, ids);
  times_.record(Stage::kTokenize, clock_.steady_now() - before);

  std::optional<Scores> scores;
  if (ids.empty()) {
    scores = inference_.unclassified();
  }
  std::uint64_t ticket = 0;
  {
    MutexLock lock(mu_);
    while (admitted_ - told_ >= slots_max_) {
      if (!wait) {
        inference_.give_back(std::move(ids));
        return Admission::kBehind;
      }
      has_room_.wait(mu_);
    }
    ticket = admitted_++;
    in_flight_.store(admitted_ - told_, std::memory_order_relaxed);
    Slot& s = slot(ticket);
    s.post.post = std::move(post);
    s.post.text_hash = text_hash;
    s.post.received_at = received_at;
    s.post.from_cache = false;
    s.listener = std::move(listener);
    s.cookie = cookie;
    s.ready = false;
  }
  bool from_cache = false;
  if (!scores) {
    scores = inference_.cached(ids);
    from_cache = scores.has_value();
  }
  if (!scores) {
    // The dispatcher's queues hold at least as many items as there are slots, so this never waits
    // for long; a refusal means it has stopped.
    if (!inference_.submit(std::move(ids), this, ticket, /*wait=*/true, limits)) {
      scored(ticket, Error{Code::kUnavailable, "stopping"}, {});
    }
    return Admission::kAdmitted;
  }
  inference_.give_back(std::move(ids));
  MutexLock lock(mu_);
  Slot& s = slot(ticket);
  s.post.scores = *scores;
  s.post.from_cache = from_cache;
  s.ready_at = clock_.steady_now();
  s.ready = true;
  release();
  return Admission::kAdmitted;
}

void Pipeline::scored(std::uint64_t ticket, const Result<Scores>& scores,
                      const ScoreTiming& timing) {
  if (scores) {
    times_.record(Stage::kQueue, timing.started_at - timing.enqueued_at);
    times_.record(Stage::kInfer, timing.finished_at - timing.started_at);
  } else {
    unscored_.fetch_add(1, std::memory_order_relaxed);
  }
  MutexLock lock(mu_);
  Slot& s = slot(ticket);
  assert(!s.ready && ticket >= released_ && ticket < admitted_);
  s.post.scores = scores ? *scores : inference_.unclassified();
  s.ready_at = clock_.steady_now();
  s.ready = true;
  release();
}

void Pipeline::release() {
  while (released_ < admitted_ && slot(released_).ready) {
    Slot& s = slot(released_);
    const bool taken = writer_->try_submit(std::move(s.post), released_);
    assert(taken);  // its queue holds slots_max_ posts
    static_cast<void>(taken);
    ++released_;
  }
}

void Pipeline::on_commit(std::span<CommittedPost> posts, const Status& status) {
  const SteadyTime now = clock_.steady_now();
  struct Told {
    std::shared_ptr<CommitListener> listener;
    std::uint64_t cookie = 0;
    SteadyTime ready_at;
  };
  std::vector<Told> told(posts.size());
  {
    MutexLock lock(mu_);
    for (std::size_t i = 0; i < posts.size(); ++i) {
      assert(posts[i].cookie == told_ + i);
      Slot& s = slot(posts[i].cookie);
      told[i] = {std::move(s.listener), s.cookie, s.ready_at};
    }
  }
  // The slowest of a transaction stands for it.
  std::chrono::nanoseconds slowest{0};
  for (const Told& t : told)
    slowest = std::max<std::chrono::nanoseconds>(slowest, now - t.ready_at);
  const std::int64_t smoothed = commit_time_ns_.load(std::memory_order_relaxed);
  commit_time_ns_.store(smoothed + (slowest.count() - smoothed) / 8, std::memory_order_relaxed);
  std::vector<CommittedPost> stored;
  stored.reserve(posts.size());
  for (std::size_t i = 0; i < posts.size(); ++i) {
    times_.record(Stage::kStore, now - told[i].ready_at);
    if (posts[i].post.received_at != SteadyTime{}) {
      times_.answered(now, now - posts[i].post.received_at);
    }
    const auto outcome = !status           ? CommitListener::Outcome::kFailed
                         : posts[i].is_new ? CommitListener::Outcome::kStored
                                           : CommitListener::Outcome::kDuplicate;
    if (told[i].listener) told[i].listener->committed(told[i].cookie, outcome, status);
    if (outcome == CommitListener::Outcome::kStored) stored.push_back(std::move(posts[i]));
  }
  bool was_ok = true;
  {
    MutexLock lock(mu_);
    told_ += posts.size();
    in_flight_.store(admitted_ - told_, std::memory_order_relaxed);
    was_ok = last_commit_.ok();
    last_commit_ = status;
  }
  if (was_ok && !status) {
    log(LogLevel::kError, "store", "posts cannot be stored and are not acknowledged",
        {{"reason", status.error().message}});
  } else if (!was_ok && status) {
    log(LogLevel::kInfo, "store", "posts are stored again");
  }
  has_room_.notify_all();
  if (!stored.empty()) on_stored_(stored);
  bool idle = false;
  {
    MutexLock lock(mu_);
    idle = told_ == admitted_;
  }
  if (idle) idle_.notify_all();
}

void Pipeline::drain() {
  inference_.drain();
  writer_->drain();
  MutexLock lock(mu_);
  while (told_ != admitted_) idle_.wait(mu_);
}

std::chrono::nanoseconds Pipeline::predicted_time() const {
  // An idle engine takes a post whatever the last ones took: otherwise a slow disk that has become
  // fast again would never be noticed.
  if (in_flight_.load(std::memory_order_relaxed) == 0) return {};
  return inference_.predicted_wait() + predicted_commit();
}

std::chrono::nanoseconds Pipeline::predicted_commit() const {
  const std::chrono::nanoseconds usual{commit_time_ns_.load(std::memory_order_relaxed)};
  // A commit that takes long holds up everything behind it, and is half done on average.
  if (const auto since = writer_->busy_since()) {
    const std::chrono::nanoseconds beyond = clock_.steady_now() - *since - usual;
    if (beyond.count() > 0) return usual + beyond + beyond / 2;
  }
  return usual;
}

std::chrono::nanoseconds Pipeline::time_to_allow() const {
  if (in_flight_.load(std::memory_order_relaxed) == 0) return {};
  return 2 * inference_.predicted_wait() + predicted_commit() + kAdmissionMargin;
}

Status Pipeline::last_commit() const {
  MutexLock lock(mu_);
  return last_commit_;
}

std::size_t Pipeline::in_flight() const {
  MutexLock lock(mu_);
  return admitted_ - told_;
}

}  // namespace tidewatch
