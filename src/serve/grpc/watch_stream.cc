// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/watch_stream.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "serve/grpc/status_map.h"

namespace tidewatch {
namespace {

struct OpenAlert {
  std::string json;
  int rank = 0;
};

// Takes apart {"alerts":[{…},…],…}, as Engine::alerts answers; the newest comes first there, here
// the oldest.
Result<std::vector<OpenAlert>> parse_alerts(std::string document) {
  simdjson::dom::parser parser;
  simdjson::dom::array alerts;
  if (parser.parse(document)["alerts"].get_array().get(alerts) != simdjson::SUCCESS) {
    return Error{Code::kInternal, "the list of open alerts cannot be read"};
  }
  std::vector<OpenAlert> open;
  for (const simdjson::dom::element alert : alerts) {
    std::string_view severity;
    if (alert["severity"].get_string().get(severity) != simdjson::SUCCESS) severity = "info";
    open.push_back({simdjson::minify(alert), severity_rank(severity).value_or(0)});
  }
  std::reverse(open.begin(), open.end());
  return open;
}

}  // namespace

grpc::ServerWriteReactor<v1::WatchResponse>* WatchStream::start(
    std::shared_ptr<GrpcCore> core, grpc::CallbackServerContext& context,
    const v1::WatchRequest& request) {
  const auto self = std::make_shared<WatchStream>(std::move(core), context);
  self->self_ = self;
  self->subscribe(request.severity_min());
  return self.get();
}

void WatchStream::subscribe(const std::string& severity_min) {
  const std::optional<int> rank = severity_min.empty() ? 0 : severity_rank(severity_min);
  if (!ticket_.ok()) return refuse(CallTicket::refusal());
  if (!rank) {
    return refuse({Code::kInvalidArgument, "severity_min='" + severity_min +
                                               "': must be info, warning, critical or empty"});
  }
  auto watcher = core_->alerts.subscribe(*rank, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->wake();
  });
  if (!watcher) {
    if (core_->stopping) return refuse({Code::kUnavailable, "the server is stopping"});
    return refuse({Code::kResourceExhausted, "too many Watch streams are open; try again",
                   std::chrono::milliseconds{1'000}});
  }
  {
    MutexLock lock(mu_);
    watcher_ = std::move(watcher);
  }
  const bool taken =
      core_->pool.try_run([self = shared_from_this(), rank = *rank] { self->load_open(rank); });
  if (!taken) refuse({Code::kUnavailable, "too many queries wait already; try again"});
}

void WatchStream::load_open(int rank_min) {
  const Engine::Params params = [](std::string_view name) -> std::optional<std::string> {
    if (name == "state") return "open";
    if (name == "limit") return "1000";
    return std::nullopt;
  };
  auto open = core_->engine.alerts(params).and_then(parse_alerts);
  MutexLock lock(mu_);
  open_known_ = true;
  if (!open) {
    failure_ = open.error();
  } else {
    for (OpenAlert& alert : *open) {
      if (alert.rank >= rank_min) open_.push_back(std::move(alert.json));
    }
  }
  go_on();
}

void WatchStream::refuse(const Error& error) {
  MutexLock lock(mu_);
  failure_ = error;
  go_on();
}

void WatchStream::wake() {
  MutexLock lock(mu_);
  go_on();
}

void WatchStream::go_on() {
  if (finished_ || writing_) return;
  if (cancelled_) return finish({grpc::StatusCode::CANCELLED, "the client went away"});
  if (failure_) return finish(to_grpc(*failure_, context_));
  if (watcher_ == nullptr) return;
  switch (watcher_->state()) {
    case AlertWatcher::State::kTooSlow:
      return finish({grpc::StatusCode::RESOURCE_EXHAUSTED,
                     "too slow: alerts wait for this client beyond the bound; call again"});
    case AlertWatcher::State::kClosed:
      return finish({grpc::StatusCode::UNAVAILABLE, "the server is stopping; call again"});
    case AlertWatcher::State::kOpen:
      break;
  }
  if (!open_known_) return;  // what is open comes first
  if (!open_.empty()) {
    response_.set_event("opened");
    response_.set_alert_json(std::move(open_.front()));
    open_.pop_front();
  } else if (const auto frame = watcher_->take()) {
    response_.set_event(frame->event);
    response_.set_alert_json(frame->json);
  } else {
    return;
  }
  writing_ = true;
  StartWrite(&response_);
}

void WatchStream::finish(grpc::Status status) {
  finished_ = true;
  Finish(std::move(status));
}

void WatchStream::OnWriteDone(bool ok) {
  MutexLock lock(mu_);
  writing_ = false;
  if (!ok) cancelled_ = true;
  go_on();
}

void WatchStream::OnCancel() {
  MutexLock lock(mu_);
  cancelled_ = true;
  go_on();
}

void WatchStream::OnDone() {
  std::shared_ptr<AlertWatcher> watcher;
  {
    MutexLock lock(mu_);
    watcher = watcher_;
  }
  if (watcher) core_->alerts.unsubscribe(watcher);
  const auto self = std::move(self_);  // may be the last
}

}  // namespace tidewatch
