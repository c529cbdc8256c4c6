// SPDX-License-Identifier: Apache-2.0
#include "core/thread_priority.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>

namespace tidewatch {
namespace {

// As the kernel tells it: policy, nice value, turn in ns (0 before Linux 6.12).
struct Scheduling {
  std::uint32_t policy = 0;
  std::int32_t nice = 0;
  std::uint64_t turn_ns = 0;
};

// Nothing where a sandbox does not let it be asked.
std::optional<Scheduling> scheduling_of_this_thread() {
  std::array<std::uint64_t, 6> attributes{};  // struct sched_attr
  if (::syscall(SYS_sched_getattr, 0, attributes.data(), sizeof(attributes), 0U) != 0) return {};
  return Scheduling{static_cast<std::uint32_t>(attributes[0] >> 32),
                    static_cast<std::int32_t>(attributes[2]), attributes[3]};
}

TEST(ThreadPriority, ASmallerShareInLongTurnsForOneThreadAlone) {
  const auto before = scheduling_of_this_thread();
  if (!before) GTEST_SKIP() << "sched_getattr is not there or not allowed";
  const int nice = std::min(before->nice + 3, 19);
  std::optional<Scheduling> lowered;
  bool long_turns = false;
  std::thread([&] {
    lower_thread_priority(nice);
    lowered = scheduling_of_this_thread();
    long_turns = set_thread_turn(nice, kLongTurn);
  }).join();
  ASSERT_TRUE(lowered);
  EXPECT_EQ(lowered->policy, before->policy);
  EXPECT_EQ(lowered->nice, nice);
  const auto turn_ns = static_cast<std::uint64_t>(kLongTurn.count());
  if (long_turns) {
    EXPECT_EQ(lowered->turn_ns, before->turn_ns == 0 ? 0 : turn_ns);
  }
  const auto after = scheduling_of_this_thread();
  ASSERT_TRUE(after);
  EXPECT_EQ(after->nice, before->nice);
  EXPECT_EQ(after->turn_ns, before->turn_ns);
}

}  // namespace
}  // namespace tidewatch
