// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <stop_token>

#include "core/clock.h"
#include "core/result.h"
#include "ingest/post_decoder.h"
#include "sources/backoff.h"
#include "sources/post_sink.h"
#include "sources/source_status.h"

namespace tidewatch {

// A wait that a stop ends. Tests answer at once and note what was asked for.
class Pauser {
 public:
  virtual ~Pauser() = default;
  // Returns false when `stop` was requested, at once or meanwhile.
  virtual bool pause(const std::stop_token& stop, std::chrono::milliseconds time) = 0;
};

class SystemPauser final : public Pauser {
 public:
  bool pause(const std::stop_token& stop, std::chrono::milliseconds time) override;
};

// What every connector gets from the engine. Everything must outlive the connector; the sink also
// every post that it took.
struct SourceContext {
  const Clock& clock;
  PostSink& sink;
  Pauser& pauser;
  DecodeLimits limits;
  // DATA_DIR/sources; made when it is missing. A connector NAME owns the files NAME.*.
  std::filesystem::path dir;
};

// A connector: brings posts from somewhere to the sink until it is told to stop, through every
// error of the other side. Whatever it has read is read again after a crash unless it is on disk
// (at least once), and posts carry ids that are the same each time (so stored exactly once).
// Life cycle: run() once, on a thread of its own; it returns soon after a stop. Threads: status()
// from any.
class Source {
 public:
  virtual ~Source() = default;
  virtual void run(const std::stop_token& stop) = 0;
  virtual const SourceStatus& status() const = 0;
};

// Calls `attempt`, which ends with why it could not go on (or well, when stopped), again and again
// until a stop; after each it says so in `status` and waits as `backoff` has it, or the error asks.
void keep_trying(const SourceContext& context, SourceStatus& status, Backoff& backoff,
                 const std::stop_token& stop, const std::function<Status()>& attempt);

// Offers a post until the sink takes it, slowing down when the engine is behind (the state says
// so). False: stopped before it was taken.
bool deliver(const SourceContext& context, SourceStatus& status, const std::stop_token& stop,
             Post& post, const std::shared_ptr<ReceiptListener>& listener, std::uint64_t ticket);

}  // namespace tidewatch
