// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "app/inference.h"
#include "app/stage_times.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "infer/score_sink.h"
#include "infer/scored_post.h"
#include "ingest/post.h"
#include "store/store_writer.h"

namespace tidewatch {

// Told what became of each post that was admitted.
// Threads: called on the store writer's thread, once a post; must not block.
class CommitListener {
 public:
  enum class Outcome : std::uint8_t { kStored, kDuplicate, kFailed };
  virtual ~CommitListener() = default;
  // `status` says why for kFailed: nothing was written, the sender may send the post again.
  virtual void committed(std::uint64_t cookie, Outcome outcome, const Status& status) = 0;
};

// From an admitted post to one that is on disk: tokenizes, scores (from the cache or the model),
// puts posts back in the order of admission, writes them in groups and hands them on.
//
//   submit ─► slot ─► cache or dispatcher ─► (in order) ─► StoreWriter ─► listener, on_stored
//
// Bound: `posts_in_flight_max` posts between submit and disk. When they are all taken submit
// refuses or waits. A post whose model run fails is stored unclassified and counted as such.
// Threads: submit from any thread; on_stored is called on the store writer's thread, in order,
// with the new posts only, and may block (that holds back the writer, then admission).
// Ownership: everything passed by reference must outlive it. A listener is held until told.
// Life cycle: drain() waits until all admitted posts are told; the destructor drains.
class Pipeline final : public ScoreSink {
 public:
  struct Options {
    std::size_t posts_in_flight_max = 4'096;
    std::size_t commit_posts_max = 2'048;
    // From arrival to disk: what a live post is scheduled by when its sender names no deadline, and
    // within which a cascade may ask its second model. It refuses nothing. Not for replays.
    std::chrono::milliseconds target{50};
  };
  using OnStored = std::function<void(std::span<CommittedPost>)>;
  enum class Admission : std::uint8_t { kAdmitted, kBehind };

  Pipeline(Options options, const Clock& clock, Inference& inference, Store& store,
           StageTimes& times, OnStored on_stored);
  ~Pipeline() override;
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // `received_at` is when its line was complete; SteadyTime{} keeps a post that nobody waits for
  // out of the latencies. Takes the post, or (kBehind, only when not waiting) leaves it untouched:
  // every slot is taken, or it is predicted to be on disk after `deadline`, the wait for the model
  // taken twice and with 5 ms to spare. A post that is taken is stored whatever happens; the
  // deadline then only decides who goes first.
  Admission submit(Post&& post, SteadyTime received_at, std::shared_ptr<CommitListener> listener,
                   std::uint64_t cookie, bool wait, SteadyTime deadline = SteadyTime::max())
      EXCLUDES(mu_);
  // How long a post that came now would take to the disk: what is queued before the model, and
  // what scored posts take from there of late, or the commit that is under way. 0 while there is
  // nothing.
  std::chrono::nanoseconds predicted_time() const;
  void drain() EXCLUDES(mu_);

  // Why the last posts could not be stored; ok when they were.
  Status last_commit() const EXCLUDES(mu_);
  std::size_t in_flight() const EXCLUDES(mu_);
  std::size_t in_flight_max() const noexcept { return slots_max_; }
  // Posts stored unclassified because their model run failed.
  std::uint64_t unscored() const noexcept { return unscored_.load(std::memory_order_relaxed); }

  void scored(std::uint64_t ticket, const Result<Scores>& scores,
              const ScoreTiming& timing) override EXCLUDES(mu_);

 private:
  struct Slot {
    ScoredPost post;
    std::shared_ptr<CommitListener> listener;
    std::uint64_t cookie = 0;
    SteadyTime ready_at{};
    bool ready = false;
  };
  Slot& slot(std::uint64_t ticket) REQUIRES(mu_) { return slots_[ticket % slots_max_]; }
  std::chrono::nanoseconds predicted_commit() const;
  std::chrono::nanoseconds time_to_allow() const;  // what a deadline must leave for admission
  // Hands posts that are ready, from the front, to the store writer.
  void release() REQUIRES(mu_);
  void on_commit(std::span<CommittedPost> posts, const Status& status) EXCLUDES(mu_);

  const std::size_t slots_max_;
  const std::chrono::milliseconds target_;
  const Clock& clock_;
  Inference& inference_;
  StageTimes& times_;
  const OnStored on_stored_;
  std::atomic<std::uint64_t> unscored_{0};
  std::atomic<std::uint64_t> in_flight_{0};      // admitted_ - told_, for predicted_time
  std::atomic<std::int64_t> commit_time_ns_{0};  // from scores to disk, smoothed
  mutable Mutex mu_;
  CondVar has_room_;
  CondVar idle_;
  std::vector<Slot> slots_ GUARDED_BY(mu_);
  Status last_commit_ GUARDED_BY(mu_);
  // Tickets count from 0: told <= released <= admitted <= told + slots_max_.
  std::uint64_t admitted_ GUARDED_BY(mu_) = 0;
  std::uint64_t released_ GUARDED_BY(mu_) = 0;
  std::uint64_t told_ GUARDED_BY(mu_) = 0;
  std::unique_ptr<StoreWriter> writer_;  // last: its thread uses the rest
};

}  // namespace tidewatch
