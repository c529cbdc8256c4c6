// SPDX-License-Identifier: Apache-2.0
#include "alert/robot_channel.h"

#include <utility>

#include "alert/report_message.h"

namespace tidewatch {

RobotChannel::RobotChannel(RobotOptions options, std::unique_ptr<HttpPost> http, const Clock& clock)
    : options_(std::move(options)), clock_(clock), http_(std::move(http)) {}
RobotChannel::~RobotChannel() = default;

Result<std::unique_ptr<RobotChannel>> RobotChannel::create(RobotOptions options,
                                                           const Clock& clock) {
  HttpPostOptions http;
  http.what = robot_name(options.kind);
  http.url = options.url;
  if (options.kind == RobotKind::kTelegram) {
    if (!http.url.ends_with('/')) http.url += '/';
    http.url += "bot" + options.token + "/sendMessage";
  }
  http.ca_file = options.ca_file;
  http.timeout = options.timeout;
  http.wants_body = true;
  TRY_ASSIGN(std::unique_ptr<HttpPost> post, HttpPost::create(std::move(http)));
  return std::unique_ptr<RobotChannel>(
      new RobotChannel(std::move(options), std::move(post), clock));
}

void RobotChannel::stop() { http_->stop(); }

Status RobotChannel::send(const OutboxMessage& message) {
  TRY_ASSIGN(const MessageText text,
             outbox_text(message.body, options_.language, options_.time_zone));
  TRY_ASSIGN(const HttpAnswer answer,
             http_->post(robot_request(options_.kind, options_.secrets, http_->url().target, text,
                                       clock_.wall_now())));
  return judge_robot(options_.kind, http_->label(), answer);
}

}  // namespace tidewatch
