// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sources/http_fetch.h"

namespace tidewatch {

// Answers from a script, and notes what was asked. When the script is over it calls `at_end`
// (mostly: request a stop) and says that it was stopped.
class FakeFetch final : public HttpFetch {
 public:
  struct Answer {
    HttpReply reply;
    std::vector<std::string> pieces{};  // for on_bytes
    std::string failure{};              // instead of the reply, after the pieces
  };

  Result<HttpReply> get(const HttpGet& request, const std::stop_token& /*stop*/,
                        const OnBytes& on_bytes) override {
    asked.push_back(request);
    if (next_ == script.size()) {
      at_end();
      return Error{Code::kCancelled, "the script is over"};
    }
    const Answer& answer = script[next_++];
    for (const std::string& piece : answer.pieces) {
      if (before_piece) before_piece(piece);
      if (!on_bytes || !on_bytes(piece)) break;
    }
    if (!answer.failure.empty()) return Error{Code::kUnavailable, answer.failure};
    return answer.reply;
  }

  std::string header(std::size_t request, std::string_view name) const {
    for (const auto& [key, value] : asked.at(request).headers) {
      if (key == name) return value;
    }
    return {};
  }

  std::vector<Answer> script;
  std::vector<HttpGet> asked;
  std::function<void()> at_end;
  std::function<void(const std::string& piece)> before_piece;

 private:
  std::size_t next_ = 0;
};

inline HttpReply reply_of(long status, std::string body = "") {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

}  // namespace tidewatch
