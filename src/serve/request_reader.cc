// SPDX-License-Identifier: Apache-2.0
#include "serve/request_reader.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <optional>
#include <vector>

namespace tidewatch {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kPieceBytes = 64 << 10;

std::string copy(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct RequestReader::Impl {
  Impl(asio::ip::tcp::socket& from, Deadline& until, const HttpOptions& limits)
      : socket(from),
        deadline(until),
        options(limits),
        buffer(limits.header_bytes_max + kPieceBytes) {}

  ReadEnd classify(boost::system::error_code error, bool begun);
  bool names_a_version() const;
  void copy_head(RequestHead& head) const;

  asio::ip::tcp::socket& socket;
  Deadline& deadline;
  const HttpOptions& options;
  beast::flat_buffer buffer;
  std::optional<http::request_parser<http::buffer_body>> parser;
  std::vector<char> piece;
  std::string detail;
};

// `begun`: whether a part of what was to be read has come.
ReadEnd RequestReader::Impl::classify(boost::system::error_code error, bool begun) {
  if (deadline.passed()) return begun ? ReadEnd::kTimedOut : ReadEnd::kIdle;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return ReadEnd::kHeaderTooLarge;
  }
  if (error == http::error::bad_version && names_a_version()) return ReadEnd::kVersion;
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error.category() != http::make_error_code(http::error::bad_method).category()) {
    return ReadEnd::kClosed;
  }
  detail = "the request is not valid HTTP: " + error.message();
  return ReadEnd::kMalformed;
}

// Whether the request line ends in a version, if not one of ours; else it is just not HTTP.
bool RequestReader::Impl::names_a_version() const {
  const auto bytes = buffer.cdata();
  std::string_view line(static_cast<const char*>(bytes.data()), bytes.size());
  line = line.substr(0, line.find("\r\n"));
  const std::size_t at = line.rfind(' ');
  constexpr std::string_view kPattern = "HTTP/0.0";
  if (at == std::string_view::npos || line.size() - at - 1 != kPattern.size()) return false;
  const std::string_view version = line.substr(at + 1);
  const auto digit = [&](std::size_t i) { return version[i] >= '0' && version[i] <= '9'; };
  return version.starts_with("HTTP/") && digit(5) && version[6] == '.' && digit(7) &&
         version != "HTTP/1.1" && version != "HTTP/1.0";
}

void RequestReader::Impl::copy_head(RequestHead& head) const {
  const auto& request = parser->get();
  const auto field = [&](auto name) { return copy(request[name]); };
  head.method = copy(request.method_string());
  head.target = copy(request.target());
  head.host = field(http::field::host);
  head.host_count = request.count(http::field::host);
  head.http_1_0 = request.version() < 11;
  head.keep_alive = parser->keep_alive();
  if (const auto length = parser->content_length()) head.content_length = *length;
  const auto expect = request[http::field::expect];
  head.expects_continue = beast::iequals(expect, "100-continue") && !head.http_1_0;
  head.unknown_expectation = !expect.empty() && !beast::iequals(expect, "100-continue");
  const auto coding = request[http::field::transfer_encoding];
  head.unknown_transfer_coding =
      !coding.empty() &&
      (!beast::iequals(coding, "chunked") || request.count(http::field::transfer_encoding) > 1);
  head.origin = field(http::field::origin);
  head.fetch_site = field("Sec-Fetch-Site");
  head.accept = field(http::field::accept);
  head.accept_encoding = field(http::field::accept_encoding);
  head.content_type = field(http::field::content_type);
  head.content_encoding = field(http::field::content_encoding);
  if (request.count(http::field::content_encoding) > 1) head.content_encoding += ", …";
  head.if_none_match = field(http::field::if_none_match);
  head.last_event_id = field("Last-Event-ID");
  head.timeout_ms = field("X-Timeout-Ms");
  head.infer_header_length = field("Inference-Header-Content-Length");
}

RequestReader::RequestReader(asio::ip::tcp::socket& socket, Deadline& deadline,
                             const HttpOptions& options)
    : impl_(std::make_unique<Impl>(socket, deadline, options)) {}
RequestReader::~RequestReader() = default;

asio::awaitable<ReadEnd> RequestReader::wait() {
  Impl& self = *impl_;
  self.parser.reset();
  if (self.buffer.size() > 0) co_return ReadEnd::kNone;
  self.deadline.set(self.options.idle_timeout);
  const auto into = self.buffer.prepare(4096);
  const auto [error, count] = co_await self.socket.async_read_some(into, kAwait);
  if (error) co_return self.classify(error, false);
  self.buffer.commit(count);
  co_return ReadEnd::kNone;
}

asio::awaitable<ReadEnd> RequestReader::read_head(RequestHead& head) {
  Impl& self = *impl_;
  self.parser.emplace();
  self.parser->header_limit(static_cast<std::uint32_t>(self.options.header_bytes_max));
  self.parser->body_limit(boost::none);  // limits differ by route and are the reader's business
  self.deadline.set(self.options.header_timeout);
  const auto [error, count] =
      co_await http::async_read_header(self.socket, self.buffer, *self.parser, kAwait);
  const ReadEnd end = error ? self.classify(error, true) : ReadEnd::kNone;
  self.deadline.clear();
  if (end != ReadEnd::kNone) co_return end;
  self.copy_head(head);
  co_return ReadEnd::kNone;
}

asio::awaitable<ReadEnd> RequestReader::read_body(std::string_view& piece) {
  Impl& self = *impl_;
  piece = {};
  self.piece.resize(kPieceBytes);
  // Not eager: that would wait for the next chunk before it hands over this one.
  while (!self.parser->is_done()) {
    auto& body = self.parser->get().body();
    body.data = self.piece.data();
    body.size = self.piece.size();
    body.more = true;
    self.deadline.set(self.options.idle_timeout);
    const auto [error, count] =
        co_await http::async_read_some(self.socket, self.buffer, *self.parser, kAwait);
    const bool failed = error && error != http::error::need_buffer;
    const ReadEnd end = failed ? self.classify(error, true) : ReadEnd::kNone;
    self.deadline.clear();
    if (failed) co_return end;
    const std::size_t filled = self.piece.size() - body.size;
    if (filled > 0) {
      piece = {self.piece.data(), filled};
      co_return ReadEnd::kNone;
    }
  }
  self.piece = {};
  co_return ReadEnd::kNone;
}

bool RequestReader::body_done() const { return !impl_->parser || impl_->parser->is_done(); }
bool RequestReader::has_bytes() const { return impl_->buffer.size() > 0; }
const std::string& RequestReader::detail() const { return impl_->detail; }

}  // namespace tidewatch
