// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench_serve/tally.h"
#include "bench_serve/text_maker.h"
#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// The posts of one message, on their way. Made by the generator, kept by the transport until every
// post of it was told to the tally (by tell()).
struct Bundle {
  std::shared_ptr<Tally> tally;
  std::uint64_t first_index = 0;  // number of its first post; the others follow
  std::vector<SteadyTime> due;
  std::vector<std::uint32_t> ends;  // text i is texts[ends[i - 1], ends[i])
  std::vector<MadePost> senders;
  std::string texts;
  SteadyTime sent_at{};
  bool marked = false;

  std::size_t size() const noexcept { return due.size(); }
  std::string_view text(std::size_t i) const noexcept {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(texts).substr(begin, ends[i] - begin);
  }
  // Milliseconds that are left of the deadline of the first post, at least 1.
  std::uint32_t timeout_ms() const noexcept;
  // Posts [from, to) were answered now.
  void tell(std::size_t from, std::size_t to, PostOutcome outcome, SteadyTime now) const noexcept;
};

// "bench-<seed>-<number>": the id of a post, so that a second sending is recognised, as real
// senders do. Written over `out`.
void write_post_id(std::uint64_t seed, std::uint64_t index, std::string& out);

struct TransportOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool classify = false;  // else ingest
  std::string model;      // of classify
  std::size_t connections = 1;
  bool tell_deadline = true;  // each message carries what is left of its deadline
  bool bare = false;          // posts of text alone: no id, author, region
  std::uint64_t seed = 1;     // part of the ids
  std::function<void(std::uint64_t)> on_acknowledged;  // of each post's index; may be empty
};

struct TransportCounts {
  std::uint64_t messages = 0;
  std::uint64_t bytes_sent = 0;  // as the transport counts them; 0: not known
  std::uint64_t bytes_received = 0;
  double cpu_seconds = 0;  // of its own threads; those of a library may be missing
};

// Carries bundles to a server and its answers back.
// Threads: open(), send() and close() from one thread; answers are told on the transport's own.
// Life cycle: open(); send() …; close() waits for nothing: what is unanswered stays so. After
// close() no tally is touched any more.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Status open() = 0;
  // May block while the server or the connections take no more: that is the server's lateness and
  // shows in the latencies, which run from when posts were due.
  virtual void send(std::unique_ptr<Bundle> bundle) = 0;
  virtual void close() = 0;
  virtual TransportCounts counts() const = 0;
};

// http_transport.cc: POST /v1/posts (NDJSON), or /v2/models/{model}/infer; one request at a time
// on each of `connections` keep-alive connections.
std::unique_ptr<Transport> make_http_transport(TransportOptions options);

// grpc_transport.cc: tidewatch.v1 Ingest, or ClassifyStream; `connections` streams, each on a
// connection of its own, with as many messages under way as are due.
std::unique_ptr<Transport> make_grpc_transport(TransportOptions options);

// kserve_transport.cc: unary ModelInfer calls to any KServe v2 server over gRPC, with the BYTES
// input `text` [n, 1].
std::unique_ptr<Transport> make_kserve_transport(TransportOptions options);

}  // namespace tidewatch
