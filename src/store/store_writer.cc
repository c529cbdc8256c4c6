// SPDX-License-Identifier: Apache-2.0
#include "store/store_writer.h"

#include <utility>

#include "core/thread_name.h"

namespace tidewatch {

StoreWriter::StoreWriter(Store& store, LabelSchema labels, Options options, OnCommit on_commit)
    : store_(store),
      labels_(std::move(labels)),
      options_(options),
      on_commit_(std::move(on_commit)),
      queue_(options.queue_posts_max),
      thread_([this] { run(); }) {}

StoreWriter::~StoreWriter() { stop(); }

bool StoreWriter::enqueue(ScoredPost&& post, std::uint64_t cookie, bool wait) {
  // Counted before it is queued, so that drain() cannot miss it.
  {
    const MutexLock lock(mu_);
    ++submitted_;
  }
  CommittedPost item{std::move(post), false, cookie};
  if (wait ? queue_.push(std::move(item)) : queue_.try_push(std::move(item))) return true;
  post = std::move(item.post);  // NOLINT(bugprone-use-after-move): a refused item is untouched
  {
    const MutexLock lock(mu_);
    --submitted_;
  }
  progressed_.notify_all();
  return false;
}

bool StoreWriter::try_submit(ScoredPost&& post, std::uint64_t cookie) {
  return enqueue(std::move(post), cookie, false);
}

bool StoreWriter::submit(ScoredPost&& post, std::uint64_t cookie) {
  return enqueue(std::move(post), cookie, true);
}

void StoreWriter::run() {
  name_thread("store");
  std::vector<CommittedPost> batch;
  std::vector<ScoredPost*> posts;
  while (queue_.pop_some(batch, options_.batch_posts_max)) {
    posts.clear();
    for (CommittedPost& one : batch) posts.push_back(&one.post);
    if (options_.clock != nullptr) {
      const auto now = options_.clock->steady_now().time_since_epoch();
      busy_since_ns_.store(std::chrono::nanoseconds{now}.count(), std::memory_order_relaxed);
    }
    const auto appended = store_.append(posts, labels_);
    busy_since_ns_.store(0, std::memory_order_relaxed);
    if (appended.ok()) {
      for (std::size_t i = 0; i < batch.size(); ++i) batch[i].is_new = (*appended)[i].is_new;
    }
    on_commit_(batch, appended.ok() ? Status{} : Status{appended.error()});
    {
      const MutexLock lock(mu_);
      told_ += batch.size();
    }
    progressed_.notify_all();
    batch.clear();
  }
}

void StoreWriter::drain() {
  const MutexLock lock(mu_);
  const std::uint64_t target = submitted_;
  while (told_ < target && told_ < submitted_) progressed_.wait(mu_);
}

void StoreWriter::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

std::size_t StoreWriter::queue_size() const { return queue_.size(); }

}  // namespace tidewatch
