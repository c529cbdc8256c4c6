// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/mutex.h"
#include "serve/grpc/alert_hub.h"
#include "serve/grpc/grpc_core.h"
#include "tidewatch/v1/tidewatch.grpc.pb.h"

namespace tidewatch {

// One Watch call: the alerts that are open now, then each as it changes. It subscribes before it
// asks what is open, so that none is missed; one that opens meanwhile may be told twice.
// Ownership: holds itself until OnDone; the hub's wake holds it weakly. Threads: gRPC's for the
// reactions, publishers' for wake(), the query pool's for the alerts that are open.
class WatchStream final : public grpc::ServerWriteReactor<v1::WatchResponse>,
                          public OpenStream,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  // Starts the call and returns its reactor.
  static grpc::ServerWriteReactor<v1::WatchResponse>* start(std::shared_ptr<GrpcCore> core,
                                                            grpc::CallbackServerContext& context,
                                                            const v1::WatchRequest& request);

  WatchStream(std::shared_ptr<GrpcCore> core, grpc::CallbackServerContext& context)
      : core_(std::move(core)), context_(context), ticket_(*core_) {}

 private:
  void subscribe(const std::string& severity_min);
  void load_open(int rank_min);
  void refuse(const Error& error);
  void wake() EXCLUDES(mu_);
  void go_on() REQUIRES(mu_);
  void finish(grpc::Status status) REQUIRES(mu_);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void server_stops() override {}  // the hub's close() ends it

  const std::shared_ptr<GrpcCore> core_;
  grpc::CallbackServerContext& context_;
  const CallTicket ticket_;
  std::shared_ptr<WatchStream> self_;  // until OnDone
  v1::WatchResponse response_;         // of the write under way

  Mutex mu_;
  std::shared_ptr<AlertWatcher> watcher_ GUARDED_BY(mu_);
  std::deque<std::string> open_ GUARDED_BY(mu_);  // as JSON, yet to be told
  bool open_known_ GUARDED_BY(mu_) = false;
  bool writing_ GUARDED_BY(mu_) = false;
  bool cancelled_ GUARDED_BY(mu_) = false;
  bool finished_ GUARDED_BY(mu_) = false;
  std::optional<Error> failure_ GUARDED_BY(mu_);
};

}  // namespace tidewatch
