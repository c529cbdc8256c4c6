// SPDX-License-Identifier: Apache-2.0
#include "app/demo_source.h"

#include <fmt/format.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

#include "core/thread_name.h"
#include "observe/log.h"
#include "simulate/simulator.h"

namespace tidewatch {
namespace {

constexpr std::chrono::minutes kHistory{5};
constexpr std::size_t kHistoryInFlight = 16;

class DemoListener final : public CommitListener {
 public:
  explicit DemoListener(Metrics& metrics) : metrics_(metrics) {}
  void committed(std::uint64_t, Outcome outcome, const Status&) override {
    if (outcome == Outcome::kStored) metrics_.posts_accepted().add();
  }

 private:
  Metrics& metrics_;
};

}  // namespace

DemoSource::DemoSource(Runtime& runtime, double posts_per_second)
    : runtime_(runtime), posts_per_second_(posts_per_second) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void DemoSource::run(const std::stop_token& stop) {
  name_thread("demo");
  const Clock& clock = runtime_.clock();
  const auto events = parse_events(demo_events_toml(), "demo_events.toml");
  if (!events) {
    log(LogLevel::kError, "demo", "cannot start", {{"reason", events.error().message}});
    return;
  }
  FreshIds fresh_ids("demo");
  PostDecoder decoder(runtime_.config().decode, clock, fresh_ids);
  const auto listener = std::make_shared<DemoListener>(runtime_.metrics());
  std::mutex mu;
  std::condition_variable_any wake;  // only so that stop interrupts the wait
  std::string line;
  // The stretch before now, without events and as fast as it goes, so that baselines and the
  // dashboard's curves are there when the first planted wave rises.
  const auto feed = [&](Post&& post, SteadyTime received_at) {
    const auto admission =
        runtime_.pipeline().submit(std::move(post), received_at, listener, 0, /*wait=*/true);
    static_cast<void>(admission);  // waiting, it always admits
  };
  SimulateOptions history;
  history.seed = 0;
  history.posts_per_second = posts_per_second_;
  history.duration = kHistory;
  history.start = clock.wall_now() - kHistory;
  const std::string history_run = fmt::format("{:x}-", history.start.time_since_epoch().count());
  Simulator past(history);
  while (!stop.stop_requested() && past.next(line)) {
    auto decoded = decoder.decode(line);
    if (Post* post = std::get_if<Post>(&decoded)) {
      post->id = history_run + post->id;
      if (!post->repost_of.empty()) post->repost_of = history_run + post->repost_of;
      feed(std::move(*post), SteadyTime{});  // not part of rate and latency
    }
    // Fast, but never so fast that a queue builds up: live posts go first.
    while (runtime_.pipeline().in_flight() >= kHistoryInFlight && !stop.stop_requested()) {
      std::unique_lock lock(mu);
      wake.wait_for(lock, stop, std::chrono::milliseconds{1}, [] { return false; });
    }
  }
  for (std::uint64_t loop = 1; !stop.stop_requested(); ++loop) {
    SimulateOptions options;
    options.seed = loop;
    options.posts_per_second = posts_per_second_;
    options.events = *events;
    options.start = clock.wall_now();  // so that 早上 and 晚上 in the texts are true
    Simulator simulator(options);
    const std::string run = fmt::format("{:x}-", options.start.time_since_epoch().count());
    const SteadyTime steady_start = clock.steady_now();
    while (!stop.stop_requested() && simulator.next(line)) {
      auto decoded = decoder.decode(line);
      Post* post = std::get_if<Post>(&decoded);
      if (post == nullptr) continue;  // the simulator's tests decode its lines
      const auto offset = post->time - options.start;
      std::unique_lock lock(mu);
      wake.wait_until(lock, stop, steady_start + offset, [] { return false; });
      if (stop.stop_requested()) return;
      post->id = run + post->id;
      if (!post->repost_of.empty()) post->repost_of = run + post->repost_of;
      feed(std::move(*post), clock.steady_now());
    }
  }
}

}  // namespace tidewatch
