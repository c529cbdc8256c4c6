// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/h2_stream.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bench_serve/http_client.h"

namespace tidewatch {
namespace {

// RFC 9113.
constexpr std::uint8_t kData = 0;
constexpr std::uint8_t kHeaders = 1;
constexpr std::uint8_t kRstStream = 3;
constexpr std::uint8_t kSettings = 4;
constexpr std::uint8_t kPing = 6;
constexpr std::uint8_t kGoAway = 7;
constexpr std::uint8_t kWindowUpdate = 8;
constexpr std::uint8_t kFlagEndStream = 0x1;
constexpr std::uint8_t kFlagAck = 0x1;
constexpr std::uint8_t kFlagEndHeaders = 0x4;
constexpr std::uint8_t kFlagPadded = 0x8;
constexpr std::uint16_t kSettingEnablePush = 2;
constexpr std::uint16_t kSettingInitialWindow = 4;

constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kMessageHead = 5;
constexpr std::size_t kFrameMax = 16'384;  // what every server takes
constexpr std::int64_t kDefaultWindow = 65'535;
constexpr std::uint32_t kOurWindow = 1U << 30;
constexpr std::uint32_t kUpdateEvery = 1U << 28;
constexpr std::uint32_t kOurStream = 1;
constexpr int kAnswerTimeoutMs = 10'000;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xFF);
  }
}

void put_at(char* at, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    *at++ = static_cast<char>(value >> shift & 0xFF);
  }
}

std::uint32_t number(std::string_view bytes, std::size_t at, int size) {
  std::uint32_t value = 0;
  for (int i = 0; i < size; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  }
  return value;
}

void put_frame(std::string& out, std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
               std::string_view payload) {
  put(out, payload.size(), 3);
  put(out, type, 1);
  put(out, flags, 1);
  put(out, stream, 4);
  out += payload;
}

std::string window_update(std::uint32_t stream, std::uint32_t by) {
  std::string payload;
  put(payload, by, 4);
  std::string frame;
  put_frame(frame, kWindowUpdate, 0, stream, payload);
  return frame;
}

// A header string of HPACK without Huffman coding. Precondition: shorter than 127 bytes.
void put_hpack(std::string& out, std::string_view text) {
  out += static_cast<char>(text.size());
  out += text;
}

// The request's headers, each a literal that no table remembers (RFC 7541, 6.2.2).
std::string request_headers(std::string_view path, std::string_view authority) {
  std::string block;
  block += '\x83';  // :method POST
  block += '\x86';  // :scheme http
  block += '\x04';  // :path
  put_hpack(block, path);
  block += '\x01';  // :authority
  put_hpack(block, authority);
  block += "\x0F\x10";  // content-type, number 31
  put_hpack(block, "application/grpc");
  block += '\0';
  put_hpack(block, "te");
  put_hpack(block, "trailers");
  return block;
}

std::string opening(std::string_view path, std::string_view authority) {
  std::string settings;
  put(settings, kSettingEnablePush, 2);
  put(settings, 0, 4);
  put(settings, kSettingInitialWindow, 2);
  put(settings, kOurWindow, 4);
  std::string out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  put_frame(out, kSettings, 0, 0, settings);
  out += window_update(0, kOurWindow - static_cast<std::uint32_t>(kDefaultWindow));
  put_frame(out, kHeaders, kFlagEndHeaders, kOurStream, request_headers(path, authority));
  return out;
}

// Whether the server's first frame is a SETTINGS, as HTTP/2 demands.
bool speaks_http2(int socket) {
  char head[kFrameHead];
  std::size_t have = 0;
  while (have < sizeof head) {
    pollfd ready{socket, POLLIN, 0};
    if (::poll(&ready, 1, kAnswerTimeoutMs) <= 0) return false;
    const ssize_t got = ::recv(socket, head, sizeof head, MSG_PEEK | MSG_WAITALL);
    if (got <= 0 || static_cast<std::size_t>(got) <= have) return false;
    have = static_cast<std::size_t>(got);
  }
  return static_cast<std::uint8_t>(head[3]) == kSettings;
}

}  // namespace

H2Stream::~H2Stream() {
  if (socket_ >= 0) ::close(socket_);
}

Status H2Stream::open(const std::string& host, std::uint16_t port, std::string_view path) {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  TRY_ASSIGN(socket_, connect_tcp(host, port));
  const std::string authority = fmt::format("{}:{}", host, port);
  if (authority.size() > 126) {
    return Error{Code::kInvalidArgument, host + ": the name is too long"};
  }
  input_.clear();
  data_.clear();
  input_at_ = data_at_ = 0;
  unacknowledged_ = 0;
  {
    MutexLock lock(mu_);
    ended_ = false;
    connection_window_ = stream_window_ = initial_window_ = kDefaultWindow;
  }
  TRY(write_all(socket_, opening(path, authority)));
  if (speaks_http2(socket_)) return {};
  return Error{Code::kUnavailable, fmt::format("no gRPC server answers at {}", authority)};
}

void H2Stream::shut_down() {
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  end();
}

void H2Stream::end() {
  {
    MutexLock lock(mu_);
    ended_ = true;
  }
  window_grew_.notify_all();
}

bool H2Stream::send(std::string_view bytes) {
  MutexLock lock(write_mu_);
  return write_all(socket_, bytes).ok();
}

bool H2Stream::write(std::string& buffer) {
  put_at(buffer.data() + kFrameHead, 0, 1);  // not compressed
  put_at(buffer.data() + kFrameHead + 1, buffer.size() - kHeadroom, 4);
  // The bytes from `at` on are to go; each frame's head overwrites what went before.
  for (std::size_t at = kFrameHead; at < buffer.size();) {
    std::int64_t size = 0;
    {
      MutexLock lock(mu_);
      while (!ended_ && std::min(connection_window_, stream_window_) <= 0) window_grew_.wait(mu_);
      if (ended_) return false;
      size = std::min({static_cast<std::int64_t>(std::min(kFrameMax, buffer.size() - at)),
                       connection_window_, stream_window_});
      connection_window_ -= size;
      stream_window_ -= size;
    }
    char* const head = buffer.data() + at - kFrameHead;
    put_at(head, static_cast<std::uint64_t>(size), 3);
    put_at(head + 3, kData, 1);
    put_at(head + 4, 0, 1);
    put_at(head + 5, kOurStream, 4);
    if (!send({head, kFrameHead + static_cast<std::size_t>(size)})) return false;
    at += static_cast<std::size_t>(size);
  }
  return true;
}

bool H2Stream::read(std::string& message) {
  while (!next_message(message)) {
    while (input_.size() - input_at_ < kFrameHead ||
           input_.size() - input_at_ - kFrameHead < number(input_, input_at_, 3)) {
      if (!receive_more()) {
        end();
        return false;
      }
    }
    const std::string_view frame = std::string_view(input_).substr(input_at_);
    const std::size_t size = number(frame, 0, 3);
    input_at_ += kFrameHead + size;
    if (!take_frame(static_cast<std::uint8_t>(frame[3]), static_cast<std::uint8_t>(frame[4]),
                    number(frame, 5, 4) & 0x7FFFFFFF, frame.substr(kFrameHead, size))) {
      end();
      return false;
    }
  }
  return true;
}

bool H2Stream::receive_more() {
  input_.erase(0, input_at_);
  input_at_ = 0;
  char buffer[32 << 10];
  ssize_t got = 0;
  do {
    got = ::recv(socket_, buffer, sizeof buffer, 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return false;
  input_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

bool H2Stream::take_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                          std::string_view payload) {
  std::string answer;
  switch (type) {
    case kData:
      return take_data(flags, payload);
    case kHeaders:  // the answer's, or the trailers that end it
      return (flags & kFlagEndStream) == 0;
    case kRstStream:
    case kGoAway:
      return false;
    case kSettings:
      if ((flags & kFlagAck) != 0) return true;
      take_settings(payload);
      put_frame(answer, kSettings, kFlagAck, 0, {});
      return send(answer);
    case kPing:
      if ((flags & kFlagAck) != 0) return true;
      put_frame(answer, kPing, kFlagAck, 0, payload);
      return send(answer);
    case kWindowUpdate: {
      if (payload.size() != 4) return false;
      MutexLock lock(mu_);
      (stream == 0 ? connection_window_ : stream_window_) += number(payload, 0, 4) & 0x7FFFFFFF;
      break;
    }
    default:
      return true;  // unknown frames are to be ignored
  }
  window_grew_.notify_all();
  return true;
}

void H2Stream::take_settings(std::string_view payload) {
  for (std::size_t at = 0; at + 6 <= payload.size(); at += 6) {
    if (number(payload, at, 2) != kSettingInitialWindow) continue;
    const std::int64_t value = number(payload, at + 2, 4);
    MutexLock lock(mu_);
    stream_window_ += value - initial_window_;
    initial_window_ = value;
  }
  window_grew_.notify_all();
}

bool H2Stream::take_data(std::uint8_t flags, std::string_view payload) {
  unacknowledged_ += static_cast<std::uint32_t>(payload.size());
  if ((flags & kFlagPadded) != 0) {
    if (payload.empty()) return false;
    const std::size_t padding = static_cast<unsigned char>(payload[0]);
    if (padding + 1 > payload.size()) return false;
    payload = payload.substr(1, payload.size() - 1 - padding);
  }
  data_ += payload;
  if (unacknowledged_ >= kUpdateEvery) {
    const std::uint32_t by = std::exchange(unacknowledged_, 0);
    if (!send(window_update(0, by) + window_update(kOurStream, by))) return false;
  }
  return (flags & kFlagEndStream) == 0;
}

bool H2Stream::next_message(std::string& message) {
  const std::size_t have = data_.size() - data_at_;
  if (have < kMessageHead) return false;
  const std::size_t size = number(data_, data_at_ + 1, 4);
  if (have - kMessageHead < size) return false;
  message.assign(data_, data_at_ + kMessageHead, size);
  data_at_ += kMessageHead + size;
  if (data_at_ == data_.size()) {
    data_.clear();
    data_at_ = 0;
  } else if (data_at_ > kFrameMax) {
    data_.erase(0, std::exchange(data_at_, 0));
  }
  return true;
}

}  // namespace tidewatch
