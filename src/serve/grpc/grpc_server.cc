// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/grpc_server.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#ifdef TIDEWATCH_GRPC_REFLECTION
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#endif

#include <utility>

#include "serve/grpc/grpc_core.h"
#include "serve/grpc/inference_service.h"
#include "serve/grpc/tidewatch_service.h"

namespace tidewatch {
namespace {

constexpr int kThreadsMax = 16;  // of gRPC's synchronous side, which only the health service has

std::string address_of(const GrpcOptions& options) {
  const std::string host = options.bind == "localhost" ? "127.0.0.1" : options.bind;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(options.port);
}

}  // namespace

struct GrpcServer::Impl {
  explicit Impl(std::shared_ptr<GrpcCore> shared)
      : core(std::move(shared)), tidewatch(core), inference(core) {}

  const std::shared_ptr<GrpcCore> core;
  TidewatchService tidewatch;
  InferenceService inference;
  int port = 0;
  std::unique_ptr<grpc::Server> server;  // last: uses the services
};

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() { stop(); }

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(GrpcOptions options, Engine& engine,
                                                      Metrics& metrics) {
  const std::string address = address_of(options);
  auto impl =
      std::make_unique<Impl>(std::make_shared<GrpcCore>(std::move(options), engine, metrics));
  const GrpcOptions& bounds = impl->core->options;
  // Debian's Abseil looks for lock cycles on every lock of gRPC: 5 % of what Ingest costs.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc::EnableDefaultHealthCheckService(true);
#ifdef TIDEWATCH_GRPC_REFLECTION
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
#endif
  grpc::ResourceQuota quota("tidewatch");
  quota.Resize(bounds.memory_bytes_max);
  quota.SetMaxThreads(kThreadsMax);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(static_cast<int>(bounds.message_bytes_max));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, bounds.streams_per_connection_max);
  // Two servers on one port would share its calls: an error is better.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &impl->port);
  builder.RegisterService(&impl->tidewatch);
  builder.RegisterService(&impl->inference);
  impl->server = builder.BuildAndStart();
  if (!impl->server || impl->port == 0) {
    return Error{Code::kUnavailable, "gRPC cannot listen on " + address +
                                         "; choose another address or port, 0 for any free one"};
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

std::uint16_t GrpcServer::port() const { return static_cast<std::uint16_t>(impl_->port); }

AlertEvents& GrpcServer::alerts() { return impl_->core->alerts; }

void GrpcServer::stop() {
  GrpcCore& core = *impl_->core;
  if (core.stopping.exchange(true)) return;
  core.alerts.close();
  core.stop_streams();
  impl_->server->Shutdown(std::chrono::system_clock::now() + core.options.stop_grace);
  core.pool.stop();
}

}  // namespace tidewatch
