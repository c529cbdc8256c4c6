// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ingest/post.h"

namespace tidewatch {

// What became of a post that a sink took. kFailed: nothing was written, it may be offered again.
enum class Receipt : std::uint8_t { kStored, kDuplicate, kFailed };

// Told of each post that a sink took, once.
// Threads: told is called from any thread, one call at a time for a listener; must not block.
class ReceiptListener {
 public:
  virtual ~ReceiptListener() = default;
  // `why` is empty but for kFailed. `ticket` is what the post was offered with.
  virtual void told(std::uint64_t ticket, Receipt receipt, const std::string& why) = 0;
};

// Where connectors hand their posts on: the engine's pipeline, or a test's own.
// Threads: offer may be called from several threads. A listener is held until it is told.
class PostSink {
 public:
  virtual ~PostSink() = default;
  // Takes the post, or (the engine is behind, or sources have their share of it) leaves it
  // untouched and returns false. Never blocks.
  virtual bool offer(Post& post, const std::shared_ptr<ReceiptListener>& listener,
                     std::uint64_t ticket) = 0;
};

}  // namespace tidewatch
