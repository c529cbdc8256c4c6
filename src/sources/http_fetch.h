// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "sources/private_address.h"

namespace tidewatch {

struct HttpGet {
  std::string url;  // http or https; redirects (at most 5) stay within the two
  std::vector<std::pair<std::string, std::string>> headers;  // not sent on to another host
  std::string ca_file;                                       // PEM; empty: the system's
  std::size_t body_bytes_max = 8 << 20;                      // unpacked; more is an error
  std::chrono::seconds connect_timeout{20};
  std::chrono::seconds stall_timeout{60};  // without a byte
  std::chrono::seconds total_timeout{0};   // 0: none
};

struct HttpReply {
  long status = 0;
  std::string body;  // empty where on_bytes took it
  std::string content_type;
  std::string etag;
  std::string last_modified;
  std::chrono::milliseconds retry_after{0};
};

// Sends GETs over HTTP(S); certificates and host names are always checked.
// Threads: one caller at a time; blocks until the answer has ended or `stop` is requested.
class HttpFetch {
 public:
  // Takes a piece of the body of a 200; false ends the exchange without an error. May block: that
  // holds back the server.
  using OnBytes = std::function<bool(std::string_view)>;

  virtual ~HttpFetch() = default;
  // Any status is a reply. kUnavailable: no connection, a bad certificate, a stall;
  // kResourceExhausted: the body is too long; kCancelled: stopped; kPermissionDenied: a public
  // address redirected to a private one. Messages name the host, never path, query or headers (they
  // may hold a token).
  virtual Result<HttpReply> get(const HttpGet& request, const std::stop_token& stop,
                                const OnBytes& on_bytes = nullptr) = 0;
};

// Whether a numeric address is one that strangers may not lead us to.
using IsPrivate = bool (*)(std::string_view address);

// A redirect from a public address to a private one is not followed: others could have the engine
// ask what only it may reach. The address that was connected to counts, not what a name was
// resolved to before; a request to a private address may be redirected to others. What is asked
// through a proxy (http_proxy, https_proxy, all_proxy; read when this is made) counts as public:
// the proxy itself must refuse private addresses, and what no_proxy has asked without it is refused
// here.
std::unique_ptr<HttpFetch> make_http_fetch(IsPrivate is_private = is_private_address);

// "https://host:port" of an address, for messages; the scheme alone where there is no host.
std::string address_origin(std::string_view url);
// kInvalidArgument: not an address of these schemes ("http", "https"), or one with a password.
Status check_address(std::string_view url, std::initializer_list<std::string_view> schemes);

// What a status that is not 200 means: kResourceExhausted with retry_after for 429 and 503,
// kUnavailable for all others; the message has the host and the status.
Error status_error(const std::string& url, const HttpReply& reply);

}  // namespace tidewatch
