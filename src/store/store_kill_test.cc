// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments: what was acknowledged is there afterwards, once.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <random>
#include <unordered_set>

#include "store/store.h"
#include "store/store_test_support.h"
#include "store/store_writer.h"

namespace tidewatch::store_test {
namespace {

constexpr int kRounds = 50;
constexpr unsigned kSeed = 20261123;
constexpr std::uint64_t kNumbersPerRound = 1'000'000;

std::string id_of(std::uint64_t number) { return "wb_" + std::to_string(number); }

// Appends for ever from two threads, some ids twice, and writes the number of every acknowledged
// post to `acknowledged`. Never returns.
[[noreturn]] void run_child(const std::filesystem::path& dir, std::uint64_t first_number,
                            int acknowledged) {
  SystemClock clock;
  StoreOptions options = quiet_options(dir);
  options.background = true;
  options.partition_posts_max = 3'000;
  auto store = Store::open(options, clock);
  if (!store.ok()) ::_exit(3);
  const auto tell = [acknowledged](std::span<CommittedPost> posts, const Status& status) {
    if (!status.ok()) ::_exit(4);
    std::vector<std::uint64_t> numbers;
    for (const CommittedPost& one : posts) numbers.push_back(one.cookie);
    const std::size_t bytes = numbers.size() * sizeof(numbers[0]);
    if (::write(acknowledged, numbers.data(), bytes) != static_cast<ssize_t>(bytes)) ::_exit(5);
  };
  StoreWriter writer(**store, labels(), {.queue_posts_max = 512, .batch_posts_max = 128}, tell);
  const auto feed = [&](std::uint64_t number) {
    for (;; number += 2) {
      if (!writer.submit(make_post(id_of(number), "转发微博" + std::to_string(number)), number))
        return;
      if (number % 7 == 0 && !writer.submit(make_post(id_of(number), "again"), number)) return;
    }
  };
  std::jthread other([&] { feed(first_number + 1); });
  feed(first_number);
  ::_exit(6);
}

TEST(StoreKillTest, KeepsEveryAcknowledgedPostOnce) {
  TempDir dir;
  std::mt19937_64 random(kSeed);
  std::unordered_set<std::uint64_t> acknowledged;
  ManualClock clock;
  for (int round = 0; round < kRounds; ++round) {
    std::array<int, 2> pipe_ends{};
    ASSERT_EQ(::pipe(pipe_ends.data()), 0);
    const std::uint64_t first_number = static_cast<std::uint64_t>(round + 1) * kNumbersPerRound;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe_ends[0]);
      run_child(dir.path(), first_number, pipe_ends[1]);
    }
    ::close(pipe_ends[1]);
    // Killed in the middle of whatever it does after that many acknowledgements.
    const std::uint64_t kill_after = 1 + random() % 1'500;
    std::string bytes;
    std::array<char, 4'096> piece{};
    bool killed = false;
    for (ssize_t size = 1; size > 0;) {
      size = ::read(pipe_ends[0], piece.data(), piece.size());
      if (size > 0) bytes.append(piece.data(), static_cast<std::size_t>(size));
      if (!killed && bytes.size() >= kill_after * sizeof(std::uint64_t)) {
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        killed = true;  // and read on: what it told before it died counts
      }
    }
    ::close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status))
        << "round " << round << ": the child ended by itself with " << WEXITSTATUS(status);
    std::vector<std::uint64_t> numbers(bytes.size() / sizeof(std::uint64_t));
    std::copy_n(bytes.data(), numbers.size() * sizeof(std::uint64_t),
                reinterpret_cast<char*>(numbers.data()));
    acknowledged.insert(numbers.begin(), numbers.end());

    auto store = open_store(quiet_options(dir.path()), clock);
    ASSERT_NE(store, nullptr) << "seed " << kSeed << " round " << round;
    for (const std::uint64_t number : numbers) {
      const auto found = store->post(id_of(number));
      ASSERT_TRUE(found.ok() && found->has_value())
          << "seed " << kSeed << " round " << round << ": acknowledged post " << number
          << " is lost";
    }
    ASSERT_EQ(problem(store->check()), "") << "seed " << kSeed << " round " << round;
  }

  // All rounds at the end, once more, by looking at every row; and the index goes on, too.
  auto store = open_store(quiet_options(dir.path()), clock);
  std::unordered_set<std::string> ids;
  ASSERT_EQ(problem(store->scan_posts({}, from_millis(0),
                                      [&](const StoredPost& stored) {
                                        EXPECT_TRUE(ids.insert(stored.post.id).second)
                                            << stored.post.id << " is there twice";
                                        EXPECT_NE(stored.post.text, "again");
                                        return true;
                                      })),
            "");
  for (const std::uint64_t number : acknowledged)
    EXPECT_TRUE(ids.contains(id_of(number))) << number;
  EXPECT_GE(acknowledged.size(), std::size_t{kRounds});
  ASSERT_EQ(problem(store->index_now()), "");
  const std::string newest =
      "转发微博" + std::to_string(*std::max_element(acknowledged.begin(), acknowledged.end()));
  EXPECT_EQ(store->posts({.q = newest})->posts.size(), 1U);
  EXPECT_GT(store->stats().partitions, 3U) << "some kills should have met a change of partitions";
  RecordProperty("acknowledged", static_cast<int>(acknowledged.size()));
}

}  // namespace
}  // namespace tidewatch::store_test
