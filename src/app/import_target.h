// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "core/clock.h"
#include "core/result.h"
#include "ingest/post.h"

namespace tidewatch {

// Where imported posts go. Threads: one caller.
class ImportTarget {
 public:
  struct Counts {
    std::uint64_t stored = 0;
    std::uint64_t duplicates = 0;
  };
  virtual ~ImportTarget() = default;

  // Takes the posts of a batch; waits while the engine is behind, until `interrupted` says stop
  // (kCancelled). They are on disk once settle() returned.
  virtual Status send(std::vector<Post> posts) = 0;
  virtual Status settle() = 0;
  // The end: what follows from the posts (windows, alerts) is written too.
  virtual Status finish() = 0;
  virtual Counts counts() const = 0;
};

using Interrupted = std::function<bool()>;

// A running engine, over HTTP.
Result<std::unique_ptr<ImportTarget>> make_url_target(const std::string& url,
                                                      const Interrupted& interrupted);
// The data folder of an engine that is not running, as `replay --data-dir` fills it.
Result<std::unique_ptr<ImportTarget>> make_store_target(const Config& config, const Clock& clock,
                                                        const Interrupted& interrupted);

}  // namespace tidewatch
