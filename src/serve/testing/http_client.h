// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tidewatch::testing_support {

struct HttpAnswer {
  int status = 0;                              // 0: the connection ended without an answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  std::string header(const std::string& lower_case_name) const;
};

// A client of bare sockets, so that tests decide about every byte. Blocking, with a limit of
// 20 s on every wait so that a test fails rather than hangs.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // False when the server has closed.
  bool send(std::string_view bytes);
  // Sends as much as goes without waiting; returns how much.
  std::size_t send_now(std::string_view bytes);
  // An answer with Content-Length, or up to the end of the connection. `head_only`: of HEAD.
  HttpAnswer read_answer(bool head_only = false);
  // Everything up to and with `end`, or to the end of the connection.
  std::string read_until(std::string_view end);
  // True when the server closes (and sends nothing more).
  bool closed();
  void shutdown_write();
  // Ends the connection with a reset.
  void reset();

  // One request on this connection, with Host and Content-Length as need be.
  HttpAnswer request(std::string_view method, std::string_view target, std::string_view body = {},
                     std::string_view more_headers = {});

 private:
  bool receive();  // false: the end

  int socket_ = -1;
  std::string buffer_;
};

}  // namespace tidewatch::testing_support
