// SPDX-License-Identifier: Apache-2.0
#include "sources/web_socket.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <optional>
#include <utility>

#include "sources/http_fetch.h"

namespace tidewatch {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
namespace net = boost::asio;
namespace ssl = net::ssl;
using net::ip::tcp;

constexpr auto kAwait = net::as_tuple(net::use_awaitable);

}  // namespace

WebSocketAddress split_web_socket_address(const std::string& url) {
  WebSocketAddress address;
  address.tls = url.starts_with("wss://");
  std::string rest = url.substr(url.find("://") + 3);
  const std::size_t path = rest.find_first_of("/?");
  address.target = path == std::string::npos ? "/" : rest.substr(path);
  if (address.target.front() == '?') address.target.insert(0, "/");
  rest.resize(path == std::string::npos ? rest.size() : path);
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  address.host = has_port ? rest.substr(0, colon) : rest;
  address.port = has_port ? rest.substr(colon + 1) : address.tls ? "443" : "80";
  address.authority = address.host + ":" + address.port;
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

namespace {

// One connection.
class Connection {
 public:
  Connection(const WebSocketRequest& request, const WebSocket::OnMessage& on_message)
      : request_(request),
        on_message_(on_message),
        address_(split_web_socket_address(request.url)),
        host_(address_origin(request.url)) {}

  net::awaitable<Status> talk(net::io_context& io, ssl::context& tls) {
    tcp::resolver resolver(io);
    const auto [resolve_error, found] =
        co_await resolver.async_resolve(address_.host, address_.port, kAwait);
    if (resolve_error) co_return failed("the name was not found", resolve_error);
    beast::tcp_stream tcp(io);
    tcp.expires_after(request_.connect_timeout);
    {
      const auto [error, endpoint] = co_await tcp.async_connect(found, kAwait);
      if (error) co_return failed("no connection", error);
    }
    if (!address_.tls) {
      websocket::stream<beast::tcp_stream> stream(std::move(tcp));
      co_return co_await read(stream);
    }
    beast::ssl_stream<beast::tcp_stream> secure(std::move(tcp), tls);
    secure.set_verify_callback(ssl::host_name_verification(address_.host));
    if (SSL_set_tlsext_host_name(secure.native_handle(), address_.host.c_str()) != 1) {
      co_return Error{Code::kInternal, host_ + ": the host name cannot be set"};
    }
    {
      const auto [error] = co_await secure.async_handshake(ssl::stream_base::client, kAwait);
      if (error) co_return failed("no secure connection", error);
    }
    websocket::stream<beast::ssl_stream<beast::tcp_stream>> stream(std::move(secure));
    co_return co_await read(stream);
  }

 private:
  template <typename Stream>
  net::awaitable<Status> read(Stream& stream) {
    beast::get_lowest_layer(stream).expires_never();  // the next line's limits hold instead
    stream.set_option(
        websocket::stream_base::timeout{request_.connect_timeout, request_.idle_timeout, true});
    stream.set_option(websocket::stream_base::decorator([](websocket::request_type& head) {
      head.set(beast::http::field::user_agent, "tidewatch");
    }));
    stream.read_message_max(request_.message_bytes_max);
    {
      const auto [error] =
          co_await stream.async_handshake(address_.authority, address_.target, kAwait);
      if (error) co_return failed("no WebSocket there", error);
    }
    beast::flat_buffer buffer;
    for (;;) {
      const auto [error, size] = co_await stream.async_read(buffer, kAwait);
      if (error) co_return failed("the connection ended", error);
      const auto bytes = buffer.cdata();
      if (!on_message_({static_cast<const char*>(bytes.data()), bytes.size()})) co_return Status{};
      buffer.clear();
    }
  }

  Error failed(std::string_view what, const beast::error_code& error) const {
    return {Code::kUnavailable, host_ + ": " + std::string(what) + ": " + error.message()};
  }

  const WebSocketRequest& request_;
  const WebSocket::OnMessage& on_message_;
  const WebSocketAddress address_;
  const std::string host_;
};

class BeastSocket final : public WebSocket {
 public:
  Status run(const WebSocketRequest& request, const std::stop_token& stop,
             const OnMessage& on_message) override {
    ssl::context tls(ssl::context::tls_client);
    const bool trusts = request.ca_file.empty()
                            ? SSL_CTX_set_default_verify_paths(tls.native_handle()) == 1
                            : SSL_CTX_load_verify_locations(tls.native_handle(),
                                                            request.ca_file.c_str(), nullptr) == 1;
    ERR_clear_error();
    if (!trusts) {
      return Error{Code::kUnavailable, "the CA file '" + request.ca_file + "' cannot be used"};
    }
    tls.set_verify_mode(ssl::verify_peer);
    SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
    Connection connection(request, on_message);
    net::io_context io(1);
    std::optional<Status> result;
    net::co_spawn(io, into(connection, io, tls, result), [&](const std::exception_ptr& failure) {
      if (failure) result.emplace(Error{Code::kInternal, "the connection failed unexpectedly"});
    });
    const std::stop_callback wake(stop, [&io] { io.stop(); });
    io.run();
    if (result && !stop.stop_requested()) return *std::move(result);
    return Error{Code::kCancelled, "stopped"};
  }

 private:
  static net::awaitable<void> into(Connection& connection, net::io_context& io, ssl::context& tls,
                                   std::optional<Status>& result) {
    result.emplace(co_await connection.talk(io, tls));
  }
};

}  // namespace

std::unique_ptr<WebSocket> make_web_socket() { return std::make_unique<BeastSocket>(); }

}  // namespace tidewatch
