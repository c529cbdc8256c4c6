// SPDX-License-Identifier: Apache-2.0
#include "alert/webhook_channel.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
#include <optional>
#include <utility>

#include "alert/webhook_url.h"
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
constexpr std::size_t kHeaderBytesMax = 16 << 10;

using Request = http::request<http::string_body>;

Status unavailable(const WebhookUrl& url, std::string_view what, const beast::error_code& error) {
  return Error{Code::kUnavailable,
               "webhook " + url.origin() + ": " + std::string(what) + ": " + error.message()};
}

// What the answer means. `quoted` is the start of its body, for people.
Status judge(const WebhookUrl& url, unsigned status, std::string quoted) {
  if (status / 100 == 2) return {};
  for (char& c : quoted) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  std::string message = "webhook " + url.origin() + ": answered " + std::to_string(status);
  if (status / 100 == 3) message += " (redirects are not followed; configure the final address)";
  if (!quoted.empty()) message += ": " + quoted;
  const bool away = status == 408 || status == 429 || status / 100 == 5;
  return Error{away ? Code::kUnavailable : Code::kInvalidArgument, std::move(message)};
}

template <typename Stream>
net::awaitable<Status> exchange(Stream& stream, const WebhookUrl& url, const Request& request) {
  {
    const auto [error, bytes] = co_await http::async_write(stream, request, kAwait);
    if (error) co_return unavailable(url, "sending failed", error);
  }
  beast::flat_buffer buffer(2 * kHeaderBytesMax);
  for (int i = 0; i < kInterimAnswersMax; ++i) {
    http::response_parser<http::buffer_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(kHeaderBytesMax));
    parser.body_limit(boost::none);  // only its start is read, into a fixed buffer
    {
      const auto [error, bytes] = co_await http::async_read_header(stream, buffer, parser, kAwait);
      if (error) co_return unavailable(url, "no answer", error);
    }
    const unsigned status = parser.get().result_int();
    if (status / 100 == 1) continue;
    if (status / 100 == 2) co_return judge(url, status, {});
    // Only to quote it; whatever goes wrong here changes nothing.
    std::array<char, kQuotedBytesMax> quoted{};
    parser.get().body().data = quoted.data();
    parser.get().body().size = quoted.size();
    parser.get().body().more = true;
    co_await http::async_read(stream, buffer, parser, kAwait);
    co_return judge(url, status,
                    std::string(quoted.data(), quoted.size() - parser.get().body().size));
  }
  co_return Error{Code::kUnavailable, "webhook " + url.origin() + ": only interim answers"};
}

}  // namespace

class WebhookChannel::Impl {
 public:
  Impl(WebhookOptions options, WebhookUrl url, ssl::context tls, const Clock& clock)
      : options_(std::move(options)), url_(std::move(url)), tls_(std::move(tls)), clock_(clock) {}

  std::string_view name() const { return options_.name; }

  Status send(const OutboxMessage& message) {
    if (message.body.size() > options_.body_bytes_max) {
      return Error{Code::kInvalidArgument, "webhook " + url_.origin() + ": the message has " +
                                               std::to_string(message.body.size()) +
                                               " bytes; the limit is " +
                                               std::to_string(options_.body_bytes_max)};
    }
    const Request request = make_request(message);
    std::optional<Status> status;
    net::io_context io(1);
    {
      MutexLock lock(mu_);
      if (stopped_) return cancelled();
      running_ = &io;
    }
    net::co_spawn(io, talk(io, request), [&](const std::exception_ptr& failure, Status answer) {
      status = failure ? Status(Error{Code::kInternal, "webhook: unexpected failure"})
                       : std::move(answer);
    });
    run(io);
    MutexLock lock(mu_);
    running_ = nullptr;
    if (status) return *std::move(status);
    if (stopped_) return cancelled();
    return Error{Code::kDeadlineExceeded, "webhook " + url_.origin() + ": no answer within " +
                                              std::to_string(options_.timeout.count()) + " ms"};
  }

  void stop() {
    MutexLock lock(mu_);
    stopped_ = true;
    if (running_ != nullptr) running_->stop();
  }

 private:
  static Status cancelled() { return Error{Code::kCancelled, "webhook: stopped"}; }

  // Runs until the exchange is done, stop() or the time-out. Whatever is still pending then is
  // destroyed with `io`, and its connection closed.
  void run(net::io_context& io) const { io.run_for(options_.timeout); }

  Request make_request(const OutboxMessage& message) const {
    Request request(http::verb::post, url_.target, 11);
    request.set(http::field::host, url_.host_header());
    request.set(http::field::user_agent, "tidewatch");
    request.set(http::field::content_type, "application/json");
    request.set(http::field::connection, "close");
    request.set("Idempotency-Key", message.dedupe_key);
    if (!options_.secret.empty()) {
      const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
      request.set("X-Tidewatch-Signature",
                  webhook_signature(options_.secret, now.time_since_epoch().count(), message.body));
    }
    request.body() = message.body;
    request.prepare_payload();
    return request;
  }

  net::awaitable<Status> talk(net::io_context& io, const Request& request) {
    tcp::resolver resolver(io);
    const auto [resolve_error, addresses] =
        co_await resolver.async_resolve(url_.host, std::to_string(url_.port), kAwait);
    if (resolve_error) co_return unavailable(url_, "the name was not found", resolve_error);

    tcp::socket socket(io);
    {
      const auto [error, endpoint] = co_await net::async_connect(socket, addresses, kAwait);
      if (error) co_return unavailable(url_, "no connection", error);
    }
    if (!url_.tls) {
      co_return co_await exchange(socket, url_, request);
    }
    ssl::stream<tcp::socket> stream(std::move(socket), tls_);
    stream.set_verify_callback(ssl::host_name_verification(url_.host));
    beast::error_code not_an_address;
    net::ip::make_address(url_.host, not_an_address);
    if (not_an_address &&
        SSL_set_tlsext_host_name(stream.native_handle(), url_.host.c_str()) != 1) {
      co_return Error{Code::kInternal,
                      "webhook " + url_.origin() + ": the host name cannot be set"};
    }
    {
      const auto [error] = co_await stream.async_handshake(ssl::stream_base::client, kAwait);
      if (error) co_return unavailable(url_, "no secure connection", error);
    }
    co_return co_await exchange(stream, url_, request);
  }

  const WebhookOptions options_;
  const WebhookUrl url_;
  ssl::context tls_;
  const Clock& clock_;
  Mutex mu_;
  bool stopped_ GUARDED_BY(mu_) = false;
  net::io_context* running_ GUARDED_BY(mu_) = nullptr;
};

WebhookChannel::WebhookChannel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebhookChannel::~WebhookChannel() = default;

Result<std::unique_ptr<WebhookChannel>> WebhookChannel::create(WebhookOptions options,
                                                               const Clock& clock) {
  TRY_ASSIGN(WebhookUrl url, parse_webhook_url(options.url));
  if (options.timeout.count() <= 0) {
    return Error{Code::kInvalidArgument,
                 "webhook '" + options.name + "': the time-out must be > 0"};
  }
  ssl::context tls(ssl::context::tls_client);
  const bool trusts = options.ca_file.empty()
                          ? SSL_CTX_set_default_verify_paths(tls.native_handle()) == 1
                          : SSL_CTX_load_verify_locations(tls.native_handle(),
                                                          options.ca_file.c_str(), nullptr) == 1;
  if (!trusts && url.tls) {
    return Error{Code::kInvalidArgument, "webhook '" + options.name + "': the CA file '" +
                                             options.ca_file +
                                             "' cannot be used; name a PEM file that can be read"};
  }
  ERR_clear_error();
  beast::error_code error;
  if (tls.set_verify_mode(ssl::verify_peer, error); error) {
    return Error{Code::kInternal, "webhook '" + options.name + "': " + error.message()};
  }
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  return std::unique_ptr<WebhookChannel>(new WebhookChannel(
      std::make_unique<Impl>(std::move(options), std::move(url), std::move(tls), clock)));
}

std::string_view WebhookChannel::name() const { return impl_->name(); }
Status WebhookChannel::send(const OutboxMessage& message) { return impl_->send(message); }
void WebhookChannel::stop() { impl_->stop(); }

std::string webhook_signature(std::string_view secret, std::int64_t unix_seconds,
                              std::string_view body) {
  const std::string time = std::to_string(unix_seconds);
  std::string content = time;
  content += '.';
  content += body;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest.data(),
       &size);
  std::string header = "t=" + time + ",v1=";
  for (unsigned int i = 0; i < size; ++i) {
    header += "0123456789abcdef"[digest[i] >> 4];
    header += "0123456789abcdef"[digest[i] & 0xF];
  }
  return header;
}

}  // namespace tidewatch
