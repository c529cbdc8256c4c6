// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace tidewatch {

// A thread that wakes up takes the processor at once from one whose turns are longer, and else
// waits for the end of the turn: on Linux 6.6 and later up to a tick of the clock, 4 ms at 250 a
// second. Turns change nothing of the share that a thread gets of a full machine. Linux before
// 6.12 knows none.
inline constexpr std::chrono::nanoseconds kLongTurn = std::chrono::milliseconds{20};

// Sets nice value and turn of the calling thread, whose scheduling policy stays. False: refused,
// nothing is changed.
inline bool set_thread_turn(int nice, std::chrono::nanoseconds turn) {
  struct {  // the kernel's struct sched_attr, which glibc 2.36 does not have
    std::uint32_t size = 48;
    std::uint32_t policy = 0;
    std::uint64_t flags = 0x08;  // SCHED_FLAG_KEEP_POLICY: the operator's stays
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
  } attributes;
  static_assert(sizeof(attributes) == 48);
  attributes.nice = nice;
  attributes.runtime = static_cast<std::uint64_t>(turn.count());
  return ::syscall(SYS_sched_setattr, 0, &attributes, 0U) == 0;
}

// For work that may wait: the calling thread gets a smaller share of a full machine (`nice`: 1 to
// 19), in long turns. For good: it may not raise it again.
// Errors: none that matter, the thread then keeps what it has.
inline void lower_thread_priority(int nice) {
  if (set_thread_turn(nice, kLongTurn)) return;  // else refused, as by a container's filter
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
}

}  // namespace tidewatch
