// SPDX-License-Identifier: Apache-2.0
#include "app/http_get.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "alert/webhook_url.h"

namespace tidewatch {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;

constexpr std::size_t kAnswerBytesMax = 64U << 20;

}  // namespace

Result<HttpGetAnswer> http_get(const std::string& origin, const std::string& target) {
  TRY_ASSIGN(const WebhookUrl url, parse_webhook_url(origin));
  if (url.tls) return Error{Code::kInvalidArgument, "--url: only http:// is spoken here"};
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
  http::request<http::empty_body> request{http::verb::get, target, 11};
  request.set(http::field::host, url.host_header());
  request.set(http::field::connection, "close");
  http::write(stream, request, error);
  if (error) return failed("cannot send");
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);
  http::read(stream, buffer, parser, error);
  if (error && error != http::error::end_of_stream) return failed("no answer");
  return HttpGetAnswer{parser.get().result_int(), parser.get().body()};
}

}  // namespace tidewatch
