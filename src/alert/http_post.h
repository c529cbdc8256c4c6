// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alert/webhook_url.h"
#include "core/result.h"

namespace tidewatch {

struct HttpPostOptions {
  std::string what = "webhook";  // what messages call it; the address stays out of them, since path
                                 // and query may hold a token
  std::string url;               // http://host[:port]/path?query or https://…
  std::string ca_file;           // PEM; empty: the system's certificates
  std::chrono::milliseconds timeout{10'000};  // for the whole exchange
  bool wants_body = false;  // of a 2xx answer; else only that of others is read, to be quoted
};

struct HttpRequest {
  std::string target;  // path and query; empty: the URL's own
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // JSON
};

struct HttpAnswer {
  unsigned status = 0;
  std::string body;                          // its first 16 KiB, where it was read
  std::chrono::milliseconds retry_after{0};  // Retry-After in seconds; 0: none
};

// Sends one HTTP/1.1 POST a call, each over a connection of its own. Over https the certificate and
// the host name are checked (TLS 1.2 or newer). Redirects are not followed.
// Threads: post from one thread at a time, it blocks at most for the time-out; stop from any.
class HttpPost {
 public:
  // kInvalidArgument: the URL or the CA file cannot be used; the message says why.
  static Result<std::unique_ptr<HttpPost>> create(HttpPostOptions options);
  ~HttpPost();

  // kUnavailable (no connection, bad certificate), kDeadlineExceeded, kCancelled (stop was called).
  Result<HttpAnswer> post(const HttpRequest& request);
  void stop();  // a post that is under way, and all later ones, return soon
  const WebhookUrl& url() const;
  std::string label() const;  // what, and where without path: for messages

 private:
  class Impl;
  explicit HttpPost(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What the status alone means: ok for 2xx; kUnavailable for 408 and 5xx; kResourceExhausted with
// retry_after for 429; kInvalidArgument, with the answer's first bytes, for any other.
Status judge_status(const std::string& label, const HttpAnswer& answer);

// The start of an answer for an error message: at most 200 bytes, on one line.
std::string quoted_answer(std::string_view body);

}  // namespace tidewatch
