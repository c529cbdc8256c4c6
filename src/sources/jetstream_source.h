// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/result.h"
#include "sources/source.h"
#include "sources/web_socket.h"

namespace tidewatch {

struct JetstreamOptions {
  std::string name;
  std::string url = "wss://jetstream2.us-east.bsky.network/subscribe";
  std::vector<std::string> langs;  // "zh" takes "zh-Hans" too; empty: all
  std::string ca_file;
  std::chrono::seconds rewind{5};  // how far before the cursor a connection begins
};

// What one event of Bluesky's Jetstream is to us.
struct JetstreamEvent {
  std::int64_t time_us = 0;  // the cursor that stands for it
  std::optional<Post> post;  // a post that was created, in one of the languages; else nothing
};

// kInvalidArgument: not an event; the message says why.
Result<JetstreamEvent> parse_jetstream_event(std::string_view json,
                                             const std::vector<std::string>& langs);

// Follows Bluesky's posts over Jetstream (WebSocket, uncompressed JSON). The cursor goes to
// NAME.cursor, at most every 5 s, once the posts before it are on disk; each connection begins
// `rewind` before it, and the store knows by their ids the posts that come twice.
class JetstreamSource final : public Source {
 public:
  static Result<std::unique_ptr<Source>> create(JetstreamOptions options,
                                                const SourceContext& context,
                                                std::unique_ptr<WebSocket> socket);
  ~JetstreamSource() override;

  void run(const std::stop_token& stop) override;
  const SourceStatus& status() const override;

 private:
  class Impl;
  explicit JetstreamSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch
