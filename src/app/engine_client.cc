// SPDX-License-Identifier: Apache-2.0
#include "app/engine_client.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <utility>

namespace tidewatch {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;

constexpr std::size_t kPostAnswerBytesMax = 1U << 20;
constexpr std::size_t kGetAnswerBytesMax = 64U << 20;

// Sends `request`, which lacks only what says where it goes, and reads the answer.
template <typename Body>
Result<EngineAnswer> exchange(const WebhookUrl& url, http::request<Body> request,
                              std::size_t bytes_max) {
  boost::asio::io_context context;
  beast::tcp_stream stream(context);
  tcp::resolver resolver(context);
  beast::error_code error;
  const auto failed = [&](std::string_view what) {
    return Error{Code::kUnavailable, fmt::format("{}: {}: {}; is `tidewatch serve` running there?",
                                                 url.origin(), what, error.message())};
  };
  const auto found = resolver.resolve(url.host, std::to_string(url.port), error);
  if (error) return failed("no such host");
  stream.connect(found, error);
  if (error) return failed("cannot connect");
  request.set(http::field::host, url.host_header());
  request.set(http::field::connection, "close");
  http::write(stream, request, error);
  if (error) return failed("cannot send");
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(bytes_max);
  http::read(stream, buffer, parser, error);
  if (error && error != http::error::end_of_stream) return failed("no answer");
  EngineAnswer answer{parser.get().result_int(), parser.get().body(), {}};
  const auto after = parser.get()[http::field::retry_after];
  std::uint32_t seconds = 0;
  if (std::from_chars(after.data(), after.data() + after.size(), seconds).ec == std::errc{}) {
    answer.retry_after = std::chrono::seconds{seconds};
  }
  return answer;
}

}  // namespace

Result<WebhookUrl> parse_engine_url(const std::string& url) {
  TRY_ASSIGN(WebhookUrl parsed, parse_webhook_url(url));
  if (parsed.tls) return Error{Code::kInvalidArgument, "--url: only http:// is spoken here"};
  return parsed;
}

Result<EngineAnswer> post_to_engine(const WebhookUrl& url, const std::string& target,
                                    const std::string& content_type, const std::string& body) {
  http::request<http::string_body> request{http::verb::post, target, 11};
  request.set(http::field::content_type, content_type);
  request.body() = body;
  request.prepare_payload();
  return exchange(url, std::move(request), kPostAnswerBytesMax);
}

Result<EngineAnswer> get_from_engine(const WebhookUrl& url, const std::string& target) {
  return exchange(url, http::request<http::empty_body>{http::verb::get, target, 11},
                  kGetAnswerBytesMax);
}

}  // namespace tidewatch
