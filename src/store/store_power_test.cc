// SPDX-License-Identifier: Apache-2.0
// A power cut, which kill -9 is not: what was not synced may be gone.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "core/mutex.h"
#include "store/store.h"
#include "store/store_test_support.h"
#include "store/sync_vfs.h"

namespace tidewatch::store_test {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(bytes).str();
}

// Remembers every file as it was when it was last synced.
class SyncedImages final : public FileHooks {
 public:
  explicit SyncedImages(std::filesystem::path dir) : dir_(std::move(dir)) {}
  void after_sync(const std::string& file) override {
    std::string image = read_file(dir_ / file);
    const MutexLock lock(mu_);
    images_[file] = std::move(image);
  }

  // Writes what a power cut at this moment may leave: each file as it was synced or, since the
  // system may have written more of it by itself, as it is.
  void cut_power(const std::filesystem::path& to, std::mt19937& random) const {
    const MutexLock lock(mu_);
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      const std::string file = entry.path().filename().string();
      if (!file.ends_with(".db") && !file.ends_with(".db-wal")) continue;
      const auto image = images_.find(file);
      const bool written_through = random() % 2 == 0;
      if (written_through) {
        std::ofstream(to / file, std::ios::binary) << read_file(dir_ / file);
      } else if (image != images_.end()) {
        std::ofstream(to / file, std::ios::binary) << image->second;
      }
    }
  }

 private:
  const std::filesystem::path dir_;
  mutable Mutex mu_;
  std::map<std::string, std::string> images_ GUARDED_BY(mu_);
};

TEST(StorePowerTest, KeepsWhatWasAcknowledged) {
  constexpr unsigned kSeed = 20261123;
  std::mt19937 random(kSeed);
  TempDir dir;
  ManualClock clock;
  SyncedImages images(dir.path());
  StoreOptions options = quiet_options(dir.path());
  options.hooks = &images;
  options.wal_bytes_max = 128U << 10;  // fold the log into the file every few commits
  options.partition_posts_max = 700;
  auto store = open_store(options, clock);
  std::size_t acknowledged = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " round " + std::to_string(round));
    auto posts = make_posts(1 + random() % 100, "r" + std::to_string(round) + "_");
    ASSERT_EQ(problem(store->append(posts, labels())), "");
    acknowledged += posts.size();
    if (random() % 3 == 0) {
      ASSERT_EQ(problem(store->index_now()), "");
    }
    if (random() % 5 == 0) {
      ASSERT_EQ(problem(store->retain_now()), "");
      ASSERT_EQ(problem(store->compact_now()), "");
    }
    if (round % 4 != 0) continue;

    TempDir after;
    images.cut_power(after.path(), random);
    auto survivor = open_store(quiet_options(after.path()), clock);
    ASSERT_NE(survivor, nullptr);
    ASSERT_EQ(survivor->stats().posts, acknowledged);
    ASSERT_TRUE((*survivor->post(posts.back().post.id)).has_value());
    ASSERT_EQ(problem(survivor->check()), "");
    ASSERT_EQ(problem(survivor->index_now()), "");
    std::set<std::string> found;
    PostQuery query{.q = "天气", .limit = 1'000};
    for (bool more = true; more;) {
      const auto page = survivor->posts(query);
      ASSERT_EQ(problem(page), "");
      for (const std::string& id : ids_of(*page)) found.insert(id);
      more = page->next.has_value();
      if (more) query.before = *page->next;
    }
    ASSERT_EQ(found.size(), acknowledged);
  }
}

}  // namespace
}  // namespace tidewatch::store_test
