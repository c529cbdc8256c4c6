// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "core/mutex.h"
#include "sources/post_sink.h"

namespace tidewatch {

// The messages of one ordered feed (a partition, a stream) on their way to the disk: knows up to
// which position all of them are there, which is what may be committed or written to a cursor.
// Ownership: shared by its connector and the sink (which holds it until every post is told).
// Threads: open from one thread; all else from any. Bound: the connector's; it stops opening when
// unstored() is at its limit.
//
//   const auto ticket = lane->open(offset, posts.size());   // 0 posts: nothing to wait for
//   for (Post& post : posts) sink.offer(post, lane, ticket);
//   if (const auto last = lane->durable()) commit(*last);
template <typename Position>
class DeliveryLane final : public ReceiptListener {
 public:
  // What became of the lane's posts since the last call of take_counts().
  struct Counts {
    std::uint64_t stored = 0;
    std::uint64_t duplicates = 0;
  };

  // A message at `position`, which comes after all before it, of so many posts.
  std::uint64_t open(Position position, std::size_t posts) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    items_.push_back({std::move(position), posts});
    unstored_ += posts;
    advance();
    return first_ + items_.size() - 1;
  }

  void told(std::uint64_t ticket, Receipt receipt, const std::string& why) override EXCLUDES(mu_) {
    MutexLock lock(mu_);
    --unstored_;
    if (receipt == Receipt::kFailed) {
      if (!failure_) failure_ = why;
    } else {
      (receipt == Receipt::kStored ? counts_.stored : counts_.duplicates) += 1;
      items_[ticket - first_].left -= 1;
    }
    advance();
    changed_.notify_all();
  }

  // One part of a message that is no post (a dead letter) has arrived where it should.
  void settled(std::uint64_t ticket) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    --unstored_;
    items_[ticket - first_].left -= 1;
    advance();
    changed_.notify_all();
  }

  // The last position up to which every post is on disk; nothing before the first is.
  std::optional<Position> durable() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return durable_;
  }
  // Posts that were not told yet.
  std::size_t unstored() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return unstored_;
  }
  // Why a post could not be stored. The lane then stands still for good: begin again after
  // durable(), with a new one.
  std::optional<std::string> failure() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return failure_;
  }
  Counts take_counts() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return std::exchange(counts_, {});
  }
  // Waits until every post was told; false when that took longer than until `deadline`.
  bool drain(std::chrono::steady_clock::time_point deadline) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    while (unstored_ > 0) {
      if (!changed_.wait_until(mu_, deadline)) return unstored_ == 0;
    }
    return true;
  }

 private:
  struct Item {
    Position position;
    std::size_t left = 0;  // posts that are not on disk
  };
  void advance() REQUIRES(mu_) {
    while (!items_.empty() && items_.front().left == 0) {
      durable_ = std::move(items_.front().position);
      items_.pop_front();
      ++first_;
    }
  }

  mutable Mutex mu_;
  CondVar changed_;
  std::deque<Item> items_ GUARDED_BY(mu_);
  std::uint64_t first_ GUARDED_BY(mu_) = 0;  // the ticket of items_.front()
  std::size_t unstored_ GUARDED_BY(mu_) = 0;
  std::optional<Position> durable_ GUARDED_BY(mu_);
  std::optional<std::string> failure_ GUARDED_BY(mu_);
  Counts counts_ GUARDED_BY(mu_);
};

}  // namespace tidewatch
