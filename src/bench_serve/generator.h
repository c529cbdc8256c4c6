// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bench_serve/arrivals.h"
#include "bench_serve/tally.h"
#include "bench_serve/text_maker.h"
#include "bench_serve/trace.h"
#include "bench_serve/transport.h"

namespace tidewatch {

// The posts of a load, in order of when they are due.
class PostSource {
 public:
  virtual ~PostSource() = default;
  // When the next post is due, from the start; nothing after the last.
  virtual std::optional<std::chrono::nanoseconds> next() = 0;
  // The post that next() spoke of: its text is appended.
  virtual MadePost post(std::uint64_t index, std::string& text) const = 0;
};

class PoissonSource final : public PostSource {
 public:
  PoissonSource(std::vector<RatePhase> phases, const TextMaker& texts, std::uint64_t seed)
      : arrivals_(std::move(phases), seed), texts_(texts) {}
  std::optional<std::chrono::nanoseconds> next() override { return arrivals_.next(); }
  MadePost post(std::uint64_t index, std::string& text) const override {
    texts_.append(index, text);
    return texts_.sender(index);
  }

 private:
  PoissonArrivals arrivals_;
  const TextMaker& texts_;
};

// Plays a trace once.
class TraceSource final : public PostSource {
 public:
  TraceSource(const Trace& trace, const TextMaker& senders) : trace_(trace), senders_(senders) {}
  std::optional<std::chrono::nanoseconds> next() override {
    if (at_ == trace_.size()) return std::nullopt;
    return trace_.due(at_++);
  }
  MadePost post(std::uint64_t index, std::string& text) const override {
    text += trace_.text(at_ - 1);
    return senders_.sender(index);
  }

 private:
  const Trace& trace_;
  const TextMaker& senders_;
  std::size_t at_ = 0;
};

struct GeneratorOptions {
  std::chrono::nanoseconds bundle_window = std::chrono::milliseconds(1);
  std::size_t bundle_posts_max = 1'024;
};

// Sends every post of `source` when it is due, in bundles, whatever the answers are (open loop).
// Returns when the last was sent, or early once `stop` is set; the number of posts sent is
// returned. Blocks, sleeping between bundles. The tally's start is set to shortly from now.
// `marks`: whether posts sent now count as marked.
std::uint64_t generate(PostSource& source, Transport& transport,
                       const std::shared_ptr<Tally>& tally, std::uint64_t first_index,
                       const GeneratorOptions& options, const std::atomic<bool>& marks,
                       const std::atomic<bool>& stop);

}  // namespace tidewatch
