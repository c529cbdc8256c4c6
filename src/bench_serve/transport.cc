// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/transport.h"

#include <algorithm>
#include <charconv>

namespace tidewatch {

std::uint32_t Bundle::timeout_ms() const noexcept {
  const auto left = due.front() + tally->deadline() - sent_at;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 1, 0x7FFFFFFF));
}

void Bundle::tell(std::size_t from, std::size_t to, PostOutcome outcome,
                  SteadyTime now) const noexcept {
  for (std::size_t i = from; i < to; ++i) {
    tally->answered(due[i], sent_at, now, outcome, marked);
  }
}

void write_post_id(std::uint64_t seed, std::uint64_t index, std::string& out) {
  char digits[48];
  char* end = std::to_chars(digits, digits + 20, seed).ptr;
  *end++ = '-';
  end = std::to_chars(end, digits + sizeof digits, index).ptr;
  out.assign("bench-").append(digits, end);
}

}  // namespace tidewatch
