// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/generator.h"

#include <thread>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::chrono::milliseconds kLead{20};  // from the call to the start

void add(Bundle& bundle, SteadyTime due, std::uint64_t index, const PostSource& source) {
  bundle.senders.push_back(source.post(index, bundle.texts));
  bundle.due.push_back(due);
  bundle.ends.push_back(static_cast<std::uint32_t>(bundle.texts.size()));
}

}  // namespace

std::uint64_t generate(PostSource& source, Transport& transport,
                       const std::shared_ptr<Tally>& tally, std::uint64_t first_index,
                       const GeneratorOptions& options, const std::atomic<bool>& marks,
                       const std::atomic<bool>& stop) {
  const SteadyTime start = std::chrono::steady_clock::now() + kLead;
  tally->start(start);
  Bundling bundling(options.bundle_window);
  std::uint64_t index = first_index;
  auto next = source.next();
  while (next && !stop.load(std::memory_order_relaxed)) {
    auto bundle = std::make_unique<Bundle>();
    bundle->tally = tally;
    bundle->first_index = index;
    add(*bundle, start + *next, index++, source);
    next = source.next();
    const SteadyTime wake = bundling.wake_at(bundle->due.front());
    SteadyTime now = std::chrono::steady_clock::now();
    if (now < wake) {
      std::this_thread::sleep_until(wake);
      now = std::chrono::steady_clock::now();
    }
    while (next && start + *next <= now && bundle->size() < options.bundle_posts_max) {
      add(*bundle, start + *next, index++, source);
      next = source.next();
    }
    for (const SteadyTime due : bundle->due) tally->offered(due);
    tally->sender_lag(now - wake, bundle->size());
    bundle->marked = marks.load(std::memory_order_relaxed);
    bundle->sent_at = now;
    bundling.sent(now);
    transport.send(std::move(bundle));
  }
  return index - first_index;
}

}  // namespace tidewatch
