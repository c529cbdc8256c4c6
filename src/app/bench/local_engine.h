// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/bench/bench_options.h"
#include "app/cli_support.h"
#include "app/engine_api.h"
#include "app/live_feed.h"
#include "app/runtime.h"
#include "serve/grpc/grpc_server.h"
#include "serve/http_server.h"

namespace tidewatch {

// The whole engine as `serve` runs it, in this process on free ports of the loopback, over a
// temporary store unless told where. No stage is switched off.
// Ownership: the clock must outlive it. Threads: as its parts say; start and stop from one.
class LocalEngine {
 public:
  static Result<std::unique_ptr<LocalEngine>> start(Config config, const Clock& clock);
  ~LocalEngine();  // stops; the temporary store is removed

  Runtime& runtime() { return *runtime_; }
  std::uint16_t http_port() const { return http_->port(); }
  std::uint16_t grpc_port() const { return grpc_->port(); }
  const std::filesystem::path& data_dir() const { return runtime_->config().store.dir; }

 private:
  explicit LocalEngine(const Clock& clock) : feed_(clock) {}

  std::optional<TemporaryFolder> folder_;
  LiveFeed feed_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<EngineApi> api_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<GrpcServer> grpc_;
};

}  // namespace tidewatch
