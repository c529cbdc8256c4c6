// SPDX-License-Identifier: Apache-2.0
#include "app/bench/swap_driver.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "bench_serve/http_client.h"
#include "core/clock.h"
#include "infer/tensorrt/tensorrt_backend.h"

namespace tidewatch {

SwapDriver::SwapDriver(Options options) : options_(std::move(options)) {
  thread_ = std::thread([this] { run(); });
}

void SwapDriver::stop() {
  stop_.store(true);
  if (thread_.joinable()) thread_.join();
}

void SwapDriver::note(const std::string& answer) {
  const auto json = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  const auto at = "/times_ms/first_answer"_json_pointer;
  if (!json.is_discarded() && json.contains(at) && json[at].is_number()) {
    first_answer_.record(
        std::chrono::nanoseconds(static_cast<std::int64_t>(json[at].get<double>() * 1e6)));
  }
  if (const auto free = tidewatch::gpu_free_bytes(); free) gpu_free_bytes_.push_back(*free);
}

void SwapDriver::run() {
  SteadyTime next = std::chrono::steady_clock::now() + options_.first;
  for (std::uint64_t i = 0; i < options_.swaps; ++i, next += options_.every) {
    if (stop_.load()) return;  // also when behind: a swap after the load proves nothing
    while (std::chrono::steady_clock::now() < next - kBefore) {
      if (stop_.load()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    nlohmann::json request{{"new_engine", options_.engines[i % options_.engines.size()]}};
    if (!options_.model.empty()) request["model"] = options_.model;
    options_.mark(true);
    std::this_thread::sleep_for(kBefore);
    const SteadyTime asked = std::chrono::steady_clock::now();
    const auto answer =
        http_request(options_.host, options_.port, "POST", "/swap-engine", request.dump());
    took_.record(std::chrono::steady_clock::now() - asked);
    if (answer && answer->status == 200) {
      ++swaps_;
      note(answer->body);
    } else {
      if (refused_.fetch_add(1) == 0) {
        refusal_ =
            answer ? fmt::format("{} {}", answer->status, answer->body) : answer.error().message;
      }
    }
    std::this_thread::sleep_for(kAfter);
    options_.mark(false);
  }
}

}  // namespace tidewatch
