// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <thread>

#include "app/runtime.h"

namespace tidewatch {

// Feeds the simulator's stream, in a loop, at present times and with ids of its own, so that a
// newcomer sees a wave rise within a minute. Waits when the engine is behind.
// Ownership: the runtime must outlive it. Threads: one of its own, joined by the destructor.
class DemoSource {
 public:
  DemoSource(Runtime& runtime, double posts_per_second);

 private:
  void run(const std::stop_token& stop);

  Runtime& runtime_;
  const double posts_per_second_;
  std::jthread thread_;
};

}  // namespace tidewatch
