// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

struct WebSocketRequest {
  std::string url;      // ws or wss
  std::string ca_file;  // PEM; empty: the system's
  std::size_t message_bytes_max = 1 << 20;
  std::chrono::seconds connect_timeout{20};
  std::chrono::seconds idle_timeout{60};  // without a message or an answer to a ping
};

// Reads messages from a WebSocket server; certificates and host names are always checked.
// Threads: one caller at a time; blocks until the connection ends or `stop` is requested.
class WebSocket {
 public:
  // Takes a message; false ends the connection without an error. May block: that holds back the
  // server.
  using OnMessage = std::function<bool(std::string_view)>;

  virtual ~WebSocket() = default;
  // Ok: on_message wanted no more. kUnavailable: no connection, or it ended; kCancelled: stopped.
  // Messages name the host, never path and query.
  virtual Status run(const WebSocketRequest& request, const std::stop_token& stop,
                     const OnMessage& on_message) = 0;
};

std::unique_ptr<WebSocket> make_web_socket();

struct WebSocketAddress {
  bool tls = false;
  std::string host;       // an IPv6 address without its brackets: for resolving and certificates
  std::string port;       // 443 or 80 where the address has none
  std::string authority;  // host:port, with the brackets
  std::string target;     // path and query
};
// Of an address that check_address allows for ws and wss.
WebSocketAddress split_web_socket_address(const std::string& url);

}  // namespace tidewatch
