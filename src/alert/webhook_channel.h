// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "alert/channel.h"
#include "core/clock.h"

namespace tidewatch {

class HttpPost;

struct WebhookOptions {
  std::string name = "webhook";               // the channel's name in the configuration
  std::string url;                            // http://host[:port]/path?query or https://…
  std::string secret;                         // not empty: sign each request
  std::string ca_file;                        // PEM; empty: the system's certificates
  std::chrono::milliseconds timeout{10'000};  // for the whole exchange
  std::size_t body_bytes_max = 1 << 20;
};

// Sends each message as one HTTP/1.1 POST with the message's body (an Alert with its "event").
// Headers: Content-Type: application/json; User-Agent: tidewatch; Idempotency-Key: the dedupe key
// (the same for every repetition); with a secret also X-Tidewatch-Signature: `t=T,v1=H`, where T
// is the sending time in Unix seconds and H the lower-case hex HMAC-SHA256, keyed by the secret,
// of "T.BODY". Over https the certificate and the host name are checked (TLS 1.2 or newer).
// Any 2xx answer is a delivery. Redirects are not followed. A connection serves one message. Of an
// answer at most 16 KiB of headers and 200 bytes of body are looked at.
//
// Errors of send: kUnavailable (no connection, bad certificate, 408, 5xx), kResourceExhausted (429,
// with its Retry-After), kDeadlineExceeded, kInvalidArgument (body over its limit, other status),
// kCancelled (stop was called).
// Threads: as Channel says. Ownership: the clock must outlive the channel.
class WebhookChannel final : public Channel {
 public:
  // kInvalidArgument: the URL or the CA file cannot be used; the message says why.
  static Result<std::unique_ptr<WebhookChannel>> create(WebhookOptions options, const Clock& clock);
  ~WebhookChannel() override;

  std::string_view name() const override;
  std::string_view kind() const override { return "webhook"; }
  Status send(const OutboxMessage& message) override;
  void stop() override;

 private:
  WebhookChannel(WebhookOptions options, std::unique_ptr<HttpPost> http, const Clock& clock);
  const WebhookOptions options_;
  const Clock& clock_;
  const std::unique_ptr<HttpPost> http_;
};

// The value of X-Tidewatch-Signature, so that receivers written in C++ can check it.
std::string webhook_signature(std::string_view secret, std::int64_t unix_seconds,
                              std::string_view body);

}  // namespace tidewatch
