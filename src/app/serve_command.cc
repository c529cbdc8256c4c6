// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/demo_source.h"
#include "app/engine_api.h"
#include "app/live_feed.h"
#include "app/open_files.h"
#include "app/runtime.h"
#include "app/source_desk.h"
#include "observe/log.h"
#include "serve/grpc/grpc_server.h"
#include "serve/http_server.h"

namespace tidewatch {
namespace {

constexpr const char* kDefaultDataDir = "tidewatch-data";

// SIGINT and SIGTERM are taken by the main thread alone; SIGPIPE by nobody.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

// Each file of a partition that searches keep open counts, each connection too: the usual 1,024 are
// soon used up.
void allow_open_files(const Config& config) {
  const OpenFileLimit before = open_file_limit();
  const auto raised = raise_open_file_limit();
  if (!raised) {
    log(LogLevel::kWarning, "app", "open files", {{"reason", raised.error().message}});
    return;
  }
  if (raised->now != before.now) {
    log(LogLevel::kInfo, "app", "the limit of open files is raised",
        {{"from", before.now}, {"to", raised->now}});
  }
  if (const std::uint64_t wanted = open_files_wanted(config); raised->now < wanted) {
    log(LogLevel::kWarning, "app", "few open files are allowed",
        {{"allowed", raised->now},
         {"wanted", wanted},
         {"remedy", "raise the hard limit: ulimit -Hn, LimitNOFILE="}});
  }
}

Status serve(const ServeOptions& options) {
  const sigset_t signals = block_signals();
  TRY_ASSIGN(Config config, resolve_config(options.common));
  if (options.port) config.http.port = *options.port;
  if (!options.bind.empty()) config.http.bind = options.bind;
  if (options.grpc_port) config.grpc.port = *options.grpc_port;
  if (options.no_grpc) config.grpc.enabled = false;
  config.grpc.bind = config.http.bind;
  if (!options.data_dir.empty()) config.store.dir = options.data_dir;
  if (config.store.dir.empty()) config.store.dir = kDefaultDataDir;
  config.demo = options.demo;
  init_logging(config.log_level, config.log_format);
  allow_open_files(config);

  SystemClock clock;
  LiveFeed feed(clock);
  Runtime::Hooks hooks;
  hooks.on_alert = [&](const AlertUpdate& update) { feed.alert(update); };
  hooks.on_stored = [&](std::span<const CommittedPost> posts) { feed.stored(posts); };
  TRY_ASSIGN(const auto runtime, Runtime::start(config, Runtime::Mode::kServe, clock, hooks));
  feed.set_labels(runtime->inference().labels());
  EngineApi api(*runtime);
  TRY_ASSIGN(const auto server,
             HttpServer::start(config.http, api, runtime->metrics(), dashboard_files()));
  std::unique_ptr<GrpcServer> grpc;
  if (config.grpc.enabled) {
    TRY_ASSIGN(grpc, GrpcServer::start(config.grpc, api, runtime->metrics()));
  }
  feed.connect(&server->live(), grpc ? &grpc->alerts() : nullptr);
  fmt::print("listening on http://{}:{}\n", config.http.bind, server->port());
  if (grpc) fmt::print("grpc on {}:{}\n", config.grpc.bind, grpc->port());
  std::fflush(stdout);
  log(LogLevel::kInfo, "app", "started",
      {{"address", fmt::format("http://{}:{}", config.http.bind, server->port())},
       {"model", runtime->inference().name()},
       {"data_dir", config.store.dir.string()}});

  runtime->sources()->start();
  std::optional<DemoSource> demo;
  if (options.demo) demo.emplace(*runtime, options.demo_rate);

  // Once a second: the numbers of the dashboard's header to every live client.
  timespec second{1, 0};
  int signal = -1;
  while (signal < 0) {
    signal = sigtimedwait(&signals, nullptr, &second);
    if (signal < 0) {
      if (const auto stats = api.stats()) server->live().publish("stats", "", *stats);
    }
  }
  log(LogLevel::kInfo, "app", "stopping", {{"signal", signal}});
  demo.reset();
  if (grpc) grpc->stop();
  server->stop();
  feed.connect(nullptr, nullptr);
  runtime->stop();
  log(LogLevel::kInfo, "app", "stopped");
  return {};
}

}  // namespace

int run_serve(const ServeOptions& options) {
  const Status status = serve(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
