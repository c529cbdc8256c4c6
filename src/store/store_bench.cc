// SPDX-License-Identifier: Apache-2.0
// Macro benchmark of the store on the disk of the given folder: appends, index, search, size.
//   store_bench [FOLDER] [POSTS]
#include <fcntl.h>
#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store/store.h"

namespace tidewatch {
namespace {

using Steady = std::chrono::steady_clock;

double ms_since(Steady::time_point begin) {
  return std::chrono::duration<double, std::milli>(Steady::now() - begin).count();
}

// Of this thread: comparable on a machine that does other things, too.
double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::string percentiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  return fmt::format("p50 {:.2f}  p95 {:.2f}  p99 {:.2f}  max {:.2f} ms", at(0.5), at(0.95),
                     at(0.99), values.back());
}

const LabelSchema& labels() {
  static const LabelSchema schema{
      .emotions = {"angry", "fear", "happy", "neutral", "sad", "surprise"},
      .negative = {true, true, false, false, true, false},
      .topics = std::vector<std::string>(14, "topic"),
      .neutral = 3};
  return schema;
}

void append_utf8(std::string& out, unsigned c) {
  out.push_back(static_cast<char>(0xE0 | (c >> 12)));
  out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
  out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
}

// Posts of 15 to 177 characters (mean 96) of two-character words, their frequencies as in language
// (Zipf over 30,000 words); authors, regions and labels likewise uneven.
class Posts {
 public:
  explicit Posts(bool random_ids) : random_ids_(random_ids) {
    for (int i = 0; i < 30'000; ++i) {
      std::string word;
      append_utf8(word, 0x4E00 + below(4'000));
      append_utf8(word, 0x4E00 + below(4'000));
      words_.push_back(std::move(word));
    }
  }
  // A word of a given rank, for queries.
  const std::string& word(std::size_t rank) const { return words_[rank]; }

  ScoredPost next() {
    ScoredPost scored;
    Post& post = scored.post;
    const std::uint64_t number = ++count_;
    post.id = random_ids_ ? fmt::format("{:016x}{:016x}x", random_(), random_())
                          : fmt::format("{}", 4'300'000'000'000'000ULL + number * 37);
    for (unsigned length = 15 + below(163); length >= 2; length -= 2) {
      post.text += words_[zipf(words_.size())];
      if (below(8) == 0) post.text += "，";
    }
    post.time =
        EventTime{std::chrono::milliseconds{1'700'000'000'000 + static_cast<std::int64_t>(number)}};
    post.source = "weibo";
    post.author = fmt::format("用户{}", zipf(1'000'000));
    post.region = words_[zipf(34)];
    scored.scores.model = {1};
    scored.scores.emotion = static_cast<std::uint8_t>(below(6));
    scored.scores.topic = static_cast<std::uint8_t>(below(14));
    scored.scores.emotion_prob.fill(0.16F);
    scored.scores.topic_prob.fill(0.07F);
    scored.text_hash = random_();
    return scored;
  }

 private:
  unsigned below(unsigned end) { return static_cast<unsigned>(random_() % end); }
  std::size_t zipf(std::size_t size) {
    const double u = static_cast<double>(random_() >> 11) * 0x1.0p-53;
    const double rank = std::pow(static_cast<double>(size), u) - 1;
    return std::min(static_cast<std::size_t>(rank), size - 1);
  }
  const bool random_ids_;
  std::uint64_t count_ = 0;
  std::mt19937_64 random_{20261123};
  std::vector<std::string> words_;
};

void print_machine() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    fmt::print("machine: {} x {}\n", std::thread::hardware_concurrency(),
               line.substr(line.find(':') + 2));
    return;
  }
}

void measure_fsync(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / "fsync";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
  const std::string bytes(256U << 10, 'x');
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) {
    if (::write(fd, bytes.data(), bytes.size()) < 0) return;
    const auto begin = Steady::now();
    ::fdatasync(fd);
    values.push_back(ms_since(begin));
  }
  ::close(fd);
  std::filesystem::remove(path);
  fmt::print("fdatasync of 256 KiB: {}\n", percentiles(values));
}

std::unique_ptr<Store> open_store(const std::filesystem::path& dir, bool background,
                                  const Clock& clock) {
  StoreOptions options;
  options.dir = dir;
  options.background = background;
  auto store = Store::open(options, clock);
  if (store.ok()) return std::move(store).value();
  fmt::print(stderr, "{}\n", store.error().message);
  std::exit(1);
}

void fail_on(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "{}\n", status.error().message);
  std::exit(1);
}

// Generating posts is not counted.
void append(Store& store, Posts& posts, std::size_t count, std::size_t batch,
            const std::string& what) {
  std::vector<double> commits;
  double total = 0;
  double cpu = 0;
  for (std::size_t done = 0; done < count; done += batch) {
    std::vector<ScoredPost> some;
    some.reserve(batch);
    for (std::size_t i = 0; i < batch; ++i) some.push_back(posts.next());
    const auto begin = Steady::now();
    const double cpu_before = cpu_ms();
    const auto appended = store.append(some, labels());
    cpu += cpu_ms() - cpu_before;
    commits.push_back(ms_since(begin));
    total += commits.back();
    fail_on(appended.ok() ? Status{} : Status{appended.error()});
  }
  fmt::print("append, {}, batches of {}: {:.0f} posts/s ({:.0f} a CPU second); a commit: {}\n",
             what, batch, static_cast<double>(count) / total * 1'000,
             static_cast<double>(count) / cpu * 1'000, percentiles(commits));
}

void search(Store& store, const std::string& what, const PostQuery& query) {
  std::vector<double> values;
  std::size_t found = 0;
  for (int i = 0; i < 50; ++i) {
    const auto begin = Steady::now();
    const auto page = store.posts(query);
    values.push_back(ms_since(begin));
    if (!page.ok()) {
      fmt::print("search, {}: {}\n", what, page.error().message);
      return;
    }
    found = page->posts.size();
  }
  fmt::print("search, {} ({} found): {}\n", what, found, percentiles(values));
}

void run(const std::filesystem::path& dir, std::size_t count) {
  print_machine();
  std::filesystem::create_directories(dir);
  measure_fsync(dir);
  const SystemClock clock;
  for (const bool random_ids : {false, true}) {
    const std::filesystem::path part = dir / (random_ids ? "random" : "counted");
    Posts posts(random_ids);
    auto store = open_store(part, false, clock);
    const std::string what = random_ids ? "random ids" : "counted ids";
    append(*store, posts, 200'704, 512, what);
    append(*store, posts, 200'704, 2'048, what);
    std::filesystem::remove_all(part);
  }

  Posts posts(false);
  auto store = open_store(dir / "all", true, clock);
  append(*store, posts, count / 2'048 * 2'048, 2'048, "with the index and checkpoints behind it");
  const std::uint64_t lag = store->stats().index_lag_posts;
  store.reset();
  store = open_store(dir / "all", false, clock);
  const std::uint64_t left = store->stats().index_lag_posts;
  const auto begin = Steady::now();
  const double cpu_before = cpu_ms();
  fail_on(store->index_now());
  const double cpu = cpu_ms() - cpu_before;
  fmt::print(
      "index: {} posts behind when the last was appended; alone {:.0f} posts/s ({:.0f} a CPU "
      "second)"
      " over {}\n",
      lag, static_cast<double>(left) / ms_since(begin) * 1'000,
      static_cast<double>(left) / cpu * 1'000, left);
  const StoreStats stats = store->stats();
  fmt::print("size: {} posts in {} partitions, {:.0f} bytes a post\n", stats.posts,
             stats.partitions,
             static_cast<double>(stats.bytes_used) / static_cast<double>(stats.posts));

  const std::string& common = posts.word(0);
  const std::string& rare = posts.word(25'000);
  search(*store, "latest", {});
  search(*store, "the most common word", {.q = common});
  search(*store, "a rare word", {.q = rare});
  search(*store, "one character", {.q = rare.substr(0, 3)});
  search(*store, "two common words", {.q = common + " " + posts.word(1)});
  search(*store, "a common and a rare word", {.q = common + " " + rare});
  search(*store, "a common word without another", {.q = common + " -" + posts.word(1)});
  search(*store, "eight characters", {.q = common + posts.word(1) + posts.word(2) + posts.word(3)});
  search(*store, "a phrase that never occurs, of common words",
         {.q = "\"" + common + posts.word(2) + common + posts.word(1) + "\""});
  search(*store, "an author", {.author = "用户500"});
  search(*store, "a word in a region", {.q = posts.word(100), .region = posts.word(3)});
  const EventTime middle = *stats.oldest + (*stats.newest - *stats.oldest) / 2;
  search(*store, "a word, a thousandth of the time",
         {.q = posts.word(100),
          .since = middle,
          .until = middle + (*stats.newest - *stats.oldest) / 1'000});
  search(*store, "nothing like it", {.q = "甲乙丙丁"});
  std::filesystem::remove_all(dir / "all");
}

}  // namespace
}  // namespace tidewatch

int main(int argc, char** argv) {
  const std::filesystem::path dir = argc > 1 ? argv[1] : "store_bench.tmp";
  tidewatch::run(dir, argc > 2 ? std::stoul(argv[2]) : 1'000'000);
}
