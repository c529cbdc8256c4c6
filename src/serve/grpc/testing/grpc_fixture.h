// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "inference/grpc_service.grpc.pb.h"
#include "serve/grpc/grpc_server.h"
#include "serve/testing/fake_engine.h"
#include "tidewatch/v1/tidewatch.grpc.pb.h"

namespace tidewatch::testing_support {

// A gRPC server on a free port over a FakeEngine, and a client of it.
class GrpcTest : public testing::Test {
 protected:
  GrpcTest() {
    engine.schema.emotions = {"angry", "happy"};
    engine.schema.topics = {"food", "news", "sport"};
    engine.served = {{"fast", "7", "openvino", 256, true}};
  }
  // Settings are made before.
  void start() {
    options.port = 0;
    auto started = GrpcServer::start(options, engine, metrics);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server = *std::move(started);
    grpc::ChannelArguments arguments;
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);  // a connection of its own
    channel = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server->port()),
                                        grpc::InsecureChannelCredentials(), arguments);
    stub = v1::Tidewatch::NewStub(channel);
    kserve = inference::GRPCInferenceService::NewStub(channel);
  }
  // Every call has a deadline, so that a test fails rather than hangs.
  static void bound(grpc::ClientContext& context,
                    std::chrono::milliseconds from_now = std::chrono::milliseconds{20'000}) {
    context.set_deadline(std::chrono::system_clock::now() + from_now);
  }

  GrpcOptions options;
  FakeEngine engine;
  Metrics metrics;
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Tidewatch::Stub> stub;
  std::unique_ptr<inference::GRPCInferenceService::Stub> kserve;
};

}  // namespace tidewatch::testing_support
