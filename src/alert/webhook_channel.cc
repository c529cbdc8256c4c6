// SPDX-License-Identifier: Apache-2.0
#include "alert/webhook_channel.h"

#include <utility>

#include "alert/http_post.h"
#include "alert/signature.h"

namespace tidewatch {

WebhookChannel::WebhookChannel(WebhookOptions options, std::unique_ptr<HttpPost> http,
                               const Clock& clock)
    : options_(std::move(options)), clock_(clock), http_(std::move(http)) {}
WebhookChannel::~WebhookChannel() = default;

Result<std::unique_ptr<WebhookChannel>> WebhookChannel::create(WebhookOptions options,
                                                               const Clock& clock) {
  HttpPostOptions http;
  http.url = options.url;
  http.ca_file = options.ca_file;
  http.timeout = options.timeout;
  TRY_ASSIGN(std::unique_ptr<HttpPost> post, HttpPost::create(std::move(http)));
  return std::unique_ptr<WebhookChannel>(
      new WebhookChannel(std::move(options), std::move(post), clock));
}

std::string_view WebhookChannel::name() const { return options_.name; }
void WebhookChannel::stop() { http_->stop(); }

Status WebhookChannel::send(const OutboxMessage& message) {
  if (message.body.size() > options_.body_bytes_max) {
    return Error{Code::kInvalidArgument,
                 http_->label() + ": the message has " + std::to_string(message.body.size()) +
                     " bytes; the limit is " + std::to_string(options_.body_bytes_max)};
  }
  HttpRequest request;
  request.headers.emplace_back("Idempotency-Key", message.dedupe_key);
  if (!options_.secret.empty()) {
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
    request.headers.emplace_back(
        "X-Tidewatch-Signature",
        webhook_signature(options_.secret, now.time_since_epoch().count(), message.body));
  }
  request.body = message.body;
  TRY_ASSIGN(const HttpAnswer answer, http_->post(request));
  return judge_status(http_->label(), answer);
}

std::string webhook_signature(std::string_view secret, std::int64_t unix_seconds,
                              std::string_view body) {
  const std::string time = std::to_string(unix_seconds);
  return "t=" + time + ",v1=" + lower_hex(hmac_sha256(secret, time + "." + std::string(body)));
}

}  // namespace tidewatch
