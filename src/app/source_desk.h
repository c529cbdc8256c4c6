// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/pipeline.h"
#include "core/clock.h"
#include "core/result.h"
#include "observe/metrics.h"
#include "sources/source.h"

namespace tidewatch {

struct SourceList;  // sources/make_source.h

// Hands connectors' posts to the pipeline. All sources together take at most half of its places, so
// that a backlog never shuts out those who send posts themselves.
// Ownership: everything passed by reference must outlive it and the posts it took.
class PipelineSink final : public PostSink {
 public:
  PipelineSink(Pipeline& pipeline, Metrics& metrics, const Clock& clock);

  bool offer(Post& post, const std::shared_ptr<ReceiptListener>& listener,
             std::uint64_t ticket) override;

 private:
  struct Told;

  Pipeline& pipeline_;
  Metrics& metrics_;
  const Clock& clock_;
  const std::size_t in_flight_max_;
  const std::shared_ptr<std::atomic<std::size_t>> in_flight_;  // outlives this with posts under way
};

// The connectors of the configuration, each on a thread of its own.
// Ownership: everything passed to create() must outlive it. Threads: every member may be called
// concurrently. Life cycle: create(), start(); the destructor stops all of them and waits.
class SourceDesk {
 public:
  static Result<std::unique_ptr<SourceDesk>> create(const SourceList& options,
                                                    const DecodeLimits& limits,
                                                    const std::filesystem::path& data_dir,
                                                    Pipeline& pipeline, Metrics& metrics,
                                                    const Clock& clock);
  ~SourceDesk();
  SourceDesk(const SourceDesk&) = delete;
  SourceDesk& operator=(const SourceDesk&) = delete;

  void start();
  std::string json() const;              // as GET /v1/sources answers
  void refresh(Metrics& metrics) const;  // one call at a time

 private:
  SourceDesk(Pipeline& pipeline, Metrics& metrics, const Clock& clock);

  PipelineSink sink_;
  SystemPauser pauser_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<std::jthread> threads_;  // last: they use the rest
};

}  // namespace tidewatch
