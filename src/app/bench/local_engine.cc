// SPDX-License-Identifier: Apache-2.0
#include "app/bench/local_engine.h"

#include <utility>

namespace tidewatch {

Result<std::unique_ptr<LocalEngine>> LocalEngine::start(Config config, const Clock& clock) {
  std::unique_ptr<LocalEngine> engine(new LocalEngine(clock));
  if (config.store.dir.empty()) {
    TRY_ASSIGN(TemporaryFolder folder, TemporaryFolder::create());
    engine->folder_.emplace(std::move(folder));
    config.store.dir = engine->folder_->path();
  }
  config.http.port = 0;
  config.grpc.port = 0;
  LiveFeed& feed = engine->feed_;
  Runtime::Hooks hooks;
  hooks.on_alert = [&feed](const AlertUpdate& update) { feed.alert(update); };
  hooks.on_stored = [&feed](std::span<const CommittedPost> posts) { feed.stored(posts); };
  TRY_ASSIGN(engine->runtime_, Runtime::start(config, Runtime::Mode::kServe, clock, hooks));
  feed.set_labels(engine->runtime_->inference().labels());
  engine->api_ = std::make_unique<EngineApi>(*engine->runtime_);
  TRY_ASSIGN(engine->http_, HttpServer::start(config.http, *engine->api_,
                                              engine->runtime_->metrics(), dashboard_files()));
  TRY_ASSIGN(engine->grpc_,
             GrpcServer::start(config.grpc, *engine->api_, engine->runtime_->metrics()));
  feed.connect(&engine->http_->live(), &engine->grpc_->alerts());
  return engine;
}

LocalEngine::~LocalEngine() {
  if (grpc_) grpc_->stop();
  if (http_) http_->stop();
  feed_.connect(nullptr, nullptr);
  if (runtime_) runtime_->stop();
}

}  // namespace tidewatch
