// SPDX-License-Identifier: Apache-2.0
#include "alert/http_post.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "core/mutex.h"

namespace tidewatch {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
namespace ssl = net::ssl;
using net::ip::tcp;

constexpr auto kAwait = net::as_tuple(net::use_awaitable);
constexpr int kInterimAnswersMax = 5;
constexpr std::size_t kQuotedBytesMax = 200;
constexpr std::size_t kBodyBytesMax = 16 << 10;
constexpr std::size_t kHeaderBytesMax = 16 << 10;

using Request = http::request<http::string_body>;

Error unavailable(const std::string& label, std::string_view what, const beast::error_code& error) {
  return Error{Code::kUnavailable, label + ": " + std::string(what) + ": " + error.message()};
}

std::chrono::milliseconds retry_after(std::string_view value) {
  std::uint32_t seconds = 0;  // a date is not read: the channel then backs off by itself
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || end != value.data() + value.size()) return {};
  return std::chrono::seconds{seconds};
}

template <typename Stream>
net::awaitable<Result<HttpAnswer>> exchange(Stream& stream, const std::string& label,
                                            const Request& request, bool wants_body) {
  {
    const auto [error, bytes] = co_await http::async_write(stream, request, kAwait);
    if (error) co_return unavailable(label, "sending failed", error);
  }
  beast::flat_buffer buffer(2 * kHeaderBytesMax);
  for (int i = 0; i < kInterimAnswersMax; ++i) {
    http::response_parser<http::buffer_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(kHeaderBytesMax));
    parser.body_limit(boost::none);  // only its start is read, into a fixed buffer
    {
      const auto [error, bytes] = co_await http::async_read_header(stream, buffer, parser, kAwait);
      if (error) co_return unavailable(label, "no answer", error);
    }
    HttpAnswer answer;
    answer.status = parser.get().result_int();
    if (answer.status / 100 == 1) continue;
    const auto after = parser.get()[http::field::retry_after];
    answer.retry_after = retry_after({after.data(), after.size()});
    if (answer.status / 100 == 2 && !wants_body) co_return answer;
    // Whatever goes wrong here changes nothing: what was read is what there is.
    answer.body.resize(wants_body ? kBodyBytesMax : kQuotedBytesMax);
    parser.get().body().data = answer.body.data();
    parser.get().body().size = answer.body.size();
    parser.get().body().more = true;
    co_await http::async_read(stream, buffer, parser, kAwait);
    answer.body.resize(answer.body.size() - parser.get().body().size);
    co_return answer;
  }
  co_return Error{Code::kUnavailable, label + ": only interim answers"};
}

}  // namespace

class HttpPost::Impl {
 public:
  Impl(HttpPostOptions options, WebhookUrl url, ssl::context tls)
      : options_(std::move(options)),
        url_(std::move(url)),
        label_(options_.what + " " + url_.origin()),
        tls_(std::move(tls)) {}

  const WebhookUrl& url() const { return url_; }
  const std::string& label() const { return label_; }

  Result<HttpAnswer> post(const HttpRequest& wanted) {
    const Request request = make_request(wanted);
    std::optional<Result<HttpAnswer>> result;
    net::io_context io(1);
    {
      const MutexLock lock(mu_);
      if (stopped_) return cancelled();
      running_ = &io;
    }
    net::co_spawn(io, talk_into(io, request, result), [&](const std::exception_ptr& failure) {
      if (failure) result.emplace(Error{Code::kInternal, label_ + ": unexpected failure"});
    });
    // Whatever is still pending afterwards is destroyed with `io`, and its connection closed.
    io.run_for(options_.timeout);
    const MutexLock lock(mu_);
    running_ = nullptr;
    if (result) return *std::move(result);
    if (stopped_) return cancelled();
    return Error{Code::kDeadlineExceeded,
                 label_ + ": no answer within " + std::to_string(options_.timeout.count()) + " ms"};
  }

  void stop() {
    const MutexLock lock(mu_);
    stopped_ = true;
    if (running_ != nullptr) running_->stop();
  }

 private:
  Error cancelled() const { return Error{Code::kCancelled, options_.what + ": stopped"}; }

  Request make_request(const HttpRequest& wanted) const {
    Request request(http::verb::post, wanted.target.empty() ? url_.target : wanted.target, 11);
    request.set(http::field::host, url_.host_header());
    request.set(http::field::user_agent, "tidewatch");
    request.set(http::field::content_type, "application/json");
    request.set(http::field::connection, "close");
    for (const auto& [name, value] : wanted.headers) request.set(name, value);
    request.body() = wanted.body;
    request.prepare_payload();
    return request;
  }

  net::awaitable<void> talk_into(net::io_context& io, const Request& request,
                                 std::optional<Result<HttpAnswer>>& result) {
    result.emplace(co_await talk(io, request));
  }

  net::awaitable<Result<HttpAnswer>> talk(net::io_context& io, const Request& request) {
    tcp::resolver resolver(io);
    const auto [resolve_error, addresses] =
        co_await resolver.async_resolve(url_.host, std::to_string(url_.port), kAwait);
    if (resolve_error) co_return unavailable(label_, "the name was not found", resolve_error);

    tcp::socket socket(io);
    {
      const auto [error, endpoint] = co_await net::async_connect(socket, addresses, kAwait);
      if (error) co_return unavailable(label_, "no connection", error);
    }
    if (!url_.tls) {
      co_return co_await exchange(socket, label_, request, options_.wants_body);
    }
    ssl::stream<tcp::socket> stream(std::move(socket), tls_);
    stream.set_verify_callback(ssl::host_name_verification(url_.host));
    beast::error_code not_an_address;
    net::ip::make_address(url_.host, not_an_address);
    if (not_an_address &&
        SSL_set_tlsext_host_name(stream.native_handle(), url_.host.c_str()) != 1) {
      co_return Error{Code::kInternal, label_ + ": the host name cannot be set"};
    }
    {
      const auto [error] = co_await stream.async_handshake(ssl::stream_base::client, kAwait);
      if (error) co_return unavailable(label_, "no secure connection", error);
    }
    co_return co_await exchange(stream, label_, request, options_.wants_body);
  }

  const HttpPostOptions options_;
  const WebhookUrl url_;
  const std::string label_;
  ssl::context tls_;
  Mutex mu_;
  bool stopped_ GUARDED_BY(mu_) = false;
  net::io_context* running_ GUARDED_BY(mu_) = nullptr;
};

HttpPost::HttpPost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpPost::~HttpPost() = default;

Result<std::unique_ptr<HttpPost>> HttpPost::create(HttpPostOptions options) {
  TRY_ASSIGN(WebhookUrl url, parse_webhook_url(options.url));
  if (options.timeout.count() <= 0) {
    return Error{Code::kInvalidArgument, options.what + ": the time-out must be > 0"};
  }
  ssl::context tls(ssl::context::tls_client);
  const bool trusts = options.ca_file.empty()
                          ? SSL_CTX_set_default_verify_paths(tls.native_handle()) == 1
                          : SSL_CTX_load_verify_locations(tls.native_handle(),
                                                          options.ca_file.c_str(), nullptr) == 1;
  if (!trusts && url.tls) {
    return Error{Code::kInvalidArgument, options.what + ": the CA file '" + options.ca_file +
                                             "' cannot be used; name a PEM file that can be read"};
  }
  ERR_clear_error();
  beast::error_code error;
  if (tls.set_verify_mode(ssl::verify_peer, error); error) {
    return Error{Code::kInternal, options.what + ": " + error.message()};
  }
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  return std::unique_ptr<HttpPost>(
      new HttpPost(std::make_unique<Impl>(std::move(options), std::move(url), std::move(tls))));
}

Result<HttpAnswer> HttpPost::post(const HttpRequest& request) { return impl_->post(request); }
void HttpPost::stop() { impl_->stop(); }
const WebhookUrl& HttpPost::url() const { return impl_->url(); }
std::string HttpPost::label() const { return impl_->label(); }

std::string quoted_answer(std::string_view body) {
  std::string quoted(body.substr(0, kQuotedBytesMax));
  for (char& c : quoted) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return quoted;
}

Status judge_status(const std::string& label, const HttpAnswer& answer) {
  const unsigned status = answer.status;
  if (status / 100 == 2) return {};
  std::string message = label + ": answered " + std::to_string(status);
  if (status / 100 == 3) message += " (redirects are not followed; configure the final address)";
  if (!answer.body.empty()) message += ": " + quoted_answer(answer.body);
  if (status == 429) return Error{Code::kResourceExhausted, std::move(message), answer.retry_after};
  const bool away = status == 408 || status / 100 == 5;
  return Error{away ? Code::kUnavailable : Code::kInvalidArgument, std::move(message),
               answer.retry_after};
}

}  // namespace tidewatch
