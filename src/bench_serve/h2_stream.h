// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/mutex.h"
#include "core/result.h"

namespace tidewatch {

// One bidirectional gRPC stream on a plain-text HTTP/2 connection of its own, for a load generator
// that must cost next to nothing: a message is one write to the socket, an answer one read. (The
// same through libgrpc++ wakes several threads a message and took three times the processor time.)
// It knows what that needs and no more: no TLS, no compression, no dynamic header table.
//
// Threads: write() from one thread, read() from one other, shut_down() from any. open() first.
// Bounds: at most 1 GiB of answers that are not read; a message is at most 16 MiB.
// Errors: open() says kUnavailable when no HTTP/2 server answers. Afterwards a broken stream shows
// as false from write() and read(); it stays broken until opened anew.
class H2Stream {
 public:
  // Bytes before the message in what write() is given, for the frame's and gRPC's headers.
  static constexpr std::size_t kHeadroom = 14;

  ~H2Stream();

  // `path`: "/tidewatch.v1.Tidewatch/Ingest". No other member may be running.
  Status open(const std::string& host, std::uint16_t port, std::string_view path);
  void shut_down();

  // Sends one message, which stands in `buffer` after kHeadroom bytes of any content. Blocks while
  // the server's flow-control windows are used up.
  bool write(std::string& buffer) EXCLUDES(mu_);
  // The next answer; blocks. False at the end of the stream.
  bool read(std::string& message) EXCLUDES(mu_);

 private:
  // What a frame of the server's does to the stream; false ends it.
  bool take_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) EXCLUDES(mu_);
  void take_settings(std::string_view payload) EXCLUDES(mu_);
  bool take_data(std::uint8_t flags, std::string_view payload);
  bool next_message(std::string& message);
  bool receive_more();
  bool send(std::string_view bytes) EXCLUDES(write_mu_);
  void end() EXCLUDES(mu_);

  int socket_ = -1;
  Mutex write_mu_;  // whole frames go to the socket
  Mutex mu_;
  CondVar window_grew_;
  bool ended_ GUARDED_BY(mu_) = true;
  std::int64_t connection_window_ GUARDED_BY(mu_) = 0;
  std::int64_t stream_window_ GUARDED_BY(mu_) = 0;
  std::int64_t initial_window_ GUARDED_BY(mu_) = 0;
  std::string input_;  // these: of the reader
  std::size_t input_at_ = 0;
  std::string data_;
  std::size_t data_at_ = 0;
  std::uint32_t unacknowledged_ = 0;  // bytes received since the last WINDOW_UPDATE
};

}  // namespace tidewatch
