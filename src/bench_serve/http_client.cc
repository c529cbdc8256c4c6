// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/http_client.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace tidewatch {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Error gone(std::string_view what) {
  return {Code::kUnavailable, fmt::format("{}: {}", what, std::strerror(errno))};
}

}  // namespace

Result<HttpAnswerHead> parse_answer_head(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return Error{Code::kUnavailable, "the head of the answer is not complete"};
  }
  HttpAnswerHead head;
  head.head_bytes = end + 4;
  const std::string_view lines = bytes.substr(0, end);
  if (!lines.starts_with("HTTP/1.") || lines.size() < 12 ||
      std::from_chars(lines.data() + 9, lines.data() + 12, head.status).ec != std::errc{}) {
    return Error{Code::kInvalidArgument, "what was answered is not HTTP/1.1"};
  }
  for (std::size_t begin = lines.find("\r\n"); begin != std::string_view::npos;) {
    begin += 2;
    const std::size_t line_end = std::min(lines.find("\r\n", begin), lines.size());
    const std::string_view line = lines.substr(begin, line_end - begin);
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trimmed(line.substr(std::min(colon + 1, line.size())));
    if (equal_ignoring_case(name, "content-length")) {
      const auto parsed =
          std::from_chars(value.data(), value.data() + value.size(), head.body_bytes);
      if (parsed.ec != std::errc{}) {
        return Error{Code::kInvalidArgument, "Content-Length is not a number"};
      }
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
      return Error{Code::kInvalidArgument, "a chunked answer is not understood"};
    } else if (equal_ignoring_case(name, "connection")) {
      head.close = equal_ignoring_case(value, "close");
    }
    begin = line_end == lines.size() ? std::string_view::npos : line_end;
  }
  return head;
}

Result<int> connect_tcp(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (const int error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &found); error != 0) {
    return Error{Code::kUnavailable, fmt::format("{}: {}", host, ::gai_strerror(error))};
  }
  int connected = -1;
  for (const addrinfo* at = found; at != nullptr && connected < 0; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0) continue;
    if (::connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
      connected = fd;
    } else {
      ::close(fd);
    }
  }
  ::freeaddrinfo(found);
  if (connected < 0) return gone(fmt::format("cannot connect to {}:{}", host, port));
  const int on = 1;
  ::setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return connected;
}

Status write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd full{socket, POLLOUT, 0};
      ::poll(&full, 1, 1'000);
    } else if (errno != EINTR) {
      return gone("the connection broke");
    }
  }
  return {};
}

Result<HttpAnswer> http_request(const std::string& host, std::uint16_t port,
                                std::string_view method, std::string_view path,
                                std::string_view body) {
  TRY_ASSIGN(const int socket, connect_tcp(host, port));
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } const closer{socket};
  TRY(write_all(socket,
                fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n"
                            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                            method, path, host, port, body.size(), body)));
  std::string bytes;
  char buffer[16 << 10];
  while (true) {
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  TRY_ASSIGN(const HttpAnswerHead head, parse_answer_head(bytes));
  return HttpAnswer{head.status, bytes.substr(head.head_bytes)};
}

}  // namespace tidewatch
