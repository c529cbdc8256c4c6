// SPDX-License-Identifier: Apache-2.0
#include "serve/testing/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace tidewatch::testing_support {

std::string HttpAnswer::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

HttpClient::HttpClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  const timeval limit{20, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int result = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  EXPECT_EQ(result, 0) << "connect: " << errno;
}

HttpClient::~HttpClient() {
  if (socket_ >= 0) ::close(socket_);
}

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::size_t HttpClient::send_now(std::string_view bytes) {
  std::size_t total = 0;
  while (total < bytes.size()) {
    const ssize_t sent =
        ::send(socket_, bytes.data() + total, bytes.size() - total, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) break;
    total += static_cast<std::size_t>(sent);
  }
  return total;
}

bool HttpClient::receive() {
  char piece[16384];
  const ssize_t count = ::recv(socket_, piece, sizeof piece, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    ADD_FAILURE() << "the server said nothing for 20 s";
  }
  if (count <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(count));
  return true;
}

std::string HttpClient::read_until(std::string_view end) {
  std::size_t from = 0;
  while (true) {
    const std::size_t at = buffer_.find(end, from);
    if (at != std::string::npos) {
      std::string out = buffer_.substr(0, at + end.size());
      buffer_.erase(0, at + end.size());
      return out;
    }
    from = buffer_.size() < end.size() ? 0 : buffer_.size() - end.size();
    if (!receive()) return std::exchange(buffer_, {});
  }
}

HttpAnswer HttpClient::read_answer(bool head_only) {
  HttpAnswer answer;
  const std::string head = read_until("\r\n\r\n");
  if (!head.ends_with("\r\n\r\n")) return answer;
  answer.status = std::stoi(head.substr(9, 3));
  for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    EXPECT_FALSE(answer.headers.contains(name)) << name << " comes twice";
    answer.headers[name] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  if (head_only || answer.status == 204 || answer.status == 304 || answer.status == 100) {
    return answer;
  }
  const bool has_length = answer.headers.contains("content-length");
  const std::size_t length = has_length ? std::stoul(answer.headers["content-length"]) : SIZE_MAX;
  while (buffer_.size() < length && receive()) {
  }
  answer.body = buffer_.substr(0, length);
  buffer_.erase(0, answer.body.size());
  if (has_length) {
    EXPECT_EQ(answer.body.size(), length);
  }
  return answer;
}

bool HttpClient::closed() { return !receive() && buffer_.empty(); }

void HttpClient::shutdown_write() { ::shutdown(socket_, SHUT_WR); }

void HttpClient::reset() {
  const linger now{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(std::exchange(socket_, -1));
}

HttpAnswer HttpClient::request(std::string_view method, std::string_view target,
                               std::string_view body, std::string_view more_headers) {
  std::string bytes;
  bytes += method;
  bytes += ' ';
  bytes += target;
  bytes += " HTTP/1.1\r\nHost: localhost\r\n";
  bytes += more_headers;
  if (!body.empty() || method == "POST") {
    bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  bytes += "\r\n";
  bytes += body;
  send(bytes);
  return read_answer(method == "HEAD");
}

}  // namespace tidewatch::testing_support
