// SPDX-License-Identifier: Apache-2.0
#include "app/bench/store_bench.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "app/bench/store_corpus.h"
#include "app/bench/store_searches.h"
#include "app/cli_support.h"
#include "app/version.h"
#include "bench_serve/process_probe.h"
#include "core/bounded_queue.h"
#include "core/thread_priority.h"
#include "store/store_writer.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kBuildBatchPosts = 2'048;
constexpr std::size_t kBuildBatchesMax = 64;  // made and not yet written
constexpr std::size_t kSearchThreads = 4;
constexpr std::int64_t kBuildSayEvery = 1'000'000;
constexpr double kGoodMs = 500;
constexpr int kQueryNice = 5;  // as the server's query threads (serve/query_pool.cc)
constexpr auto kBundle = std::chrono::milliseconds{1};

double ms_since(Steady::time_point begin) {
  return std::chrono::duration<double, std::milli>(Steady::now() - begin).count();
}

double thread_cpu_ms() {
  ::timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) * 1e3 + static_cast<double>(spent.tv_nsec) / 1e6;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What runs beside ingest. Arithmetic takes as much of the processors as the searches took, by the
// same threads at the same times, and touches neither store nor disk nor memory.
enum class Beside : std::uint8_t { kNothing, kSearches, kArithmetic };

struct Figures {
  std::vector<double> ms;
  std::uint64_t incomplete = 0;
  std::vector<double> p99_by_round;

  double at(double share) {
    if (ms.empty()) return 0;
    std::sort(ms.begin(), ms.end());
    return ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1))];
  }
  void add(const Figures& other) {
    ms.insert(ms.end(), other.ms.begin(), other.ms.end());
    incomplete += other.incomplete;
  }
  Json json() {
    return {{"count", ms.size()}, {"p50", at(0.5)}, {"p95", at(0.95)},
            {"p99", at(0.99)},    {"max", at(1.0)}, {"incomplete", incomplete}};
  }
};

// A folder that goes away at the end, unless it was given.
class Folder {
 public:
  static Result<Folder> open(const std::string& given) {
    if (!given.empty()) return Folder(given, false);
    std::string name = (std::filesystem::temp_directory_path() / "tidewatch-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      return Error{Code::kUnavailable, name + ": cannot be made; name a folder with --data-dir"};
    }
    return Folder(name, true);
  }
  Folder(Folder&& other) noexcept
      : path_(std::move(other.path_)), ours_(std::exchange(other.ours_, false)) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (ours_) std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  Folder(std::filesystem::path path, bool ours) : path_(std::move(path)), ours_(ours) {}
  std::filesystem::path path_;
  bool ours_;
};

StoreOptions store_options(const std::filesystem::path& dir, bool background) {
  StoreOptions options;
  options.dir = dir;
  options.bytes_max = 1ULL << 40;
  options.background = background;
  return options;
}

class StoreBench {
 public:
  StoreBench(const BenchStoreOptions& options, std::filesystem::path dir)
      : options_(options), dir_(std::move(dir)) {}

  Status run() {
    TRY(build());
    if (options_.build_only) return {};
    TRY_ASSIGN(store_, Store::open(store_options(dir_, true), clock_));
    TRY_ASSIGN(TopicTree tree, TopicTree::create(simulated_labels(), TopicTree::default_groups()));
    names_ = std::make_shared<const SearchNames>(SearchNames{std::move(tree), simulated_labels()});
    for (int round = 0; round < options_.rounds; ++round) {
      TRY(measure(static_cast<std::uint64_t>(round), Beside::kNothing));
      TRY(measure(static_cast<std::uint64_t>(round), Beside::kSearches));
      if (options_.control) TRY(measure(static_cast<std::uint64_t>(round), Beside::kArithmetic));
    }
    report();
    return {};
  }

 private:
  Status build();
  Status write_posts(Store& store, std::uint64_t from);
  Status measure(std::uint64_t round, Beside beside);
  Status ingest(std::uint64_t round, Beside beside, Steady::time_point end);
  template <typename Work>
  static void pace(std::size_t thread, double per_second, Steady::time_point end, Work&& work);
  void search(std::size_t thread, std::uint64_t round, Steady::time_point end);
  void compute(std::size_t thread, std::uint64_t round, Steady::time_point end);
  void report();
  void note(const std::string& what) const {
    if (!options_.json) fmt::print("{}\n", what);
    std::fflush(stdout);
  }

  const BenchStoreOptions options_;
  const std::filesystem::path dir_;
  SystemClock clock_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<const SearchNames> names_;
  double build_seconds_ = 0;
  std::uint64_t built_ = 0;
  std::array<Figures, 3> ingest_;  // by Beside
  std::uint64_t index_lag_max_ = 0;
  std::uint64_t refused_ = 0;
  Mutex mu_;
  std::vector<Figures> by_kind_ GUARDED_BY(mu_) = std::vector<Figures>(kSearchKinds.size());
  std::vector<double> search_cpu_ms_ GUARDED_BY(mu_);
  std::string search_error_ GUARDED_BY(mu_);
};

// Makes posts on a thread of its own and writes them.
Status StoreBench::write_posts(Store& store, std::uint64_t from) {
  BoundedQueue<std::vector<ScoredPost>> made(kBuildBatchesMax);
  std::jthread maker([&] {
    StoreCorpus corpus({.seed = options_.seed + from,
                        .posts = options_.posts,
                        .end = clock_.wall_now(),
                        .id_prefix = "wb_" + std::to_string(from) + "_"},
                       clock_);
    for (std::uint64_t count = from; count < options_.posts;) {
      std::vector<ScoredPost> batch;
      for (; batch.size() < kBuildBatchPosts && count < options_.posts; ++count) {
        batch.push_back(corpus.next());
      }
      if (!made.push(std::move(batch))) return;
    }
    made.close();
  });
  std::int64_t said = 0;
  Status written;
  while (auto batch = made.pop()) {
    const auto appended = store.append(*batch, simulated_labels());
    if (!appended.ok()) {
      written = appended.error();
      made.close();
      break;
    }
    const auto now = static_cast<std::int64_t>(store.stats().posts);
    if (now / kBuildSayEvery > said) note(fmt::format("  {} posts written", now));
    said = now / kBuildSayEvery;
  }
  return written;
}

// Fills the store up to the posts asked for, indexes and compacts them.
Status StoreBench::build() {
  const auto begin = Steady::now();
  TRY_ASSIGN(const auto store, Store::open(store_options(dir_, false), clock_));
  const std::uint64_t from = store->stats().posts;
  std::atomic<bool> written{false};
  Status indexed;
  {
    std::jthread indexer([&] {
      bool last = false;
      while (!last && indexed.ok()) {
        last = written.load();
        indexed = store->retain_now();
        if (indexed.ok()) indexed = store->index_now();
        if (indexed.ok()) indexed = store->compact_now();
        std::this_thread::sleep_for(kBundle);
      }
    });
    const Status posts = from < options_.posts ? write_posts(*store, from) : Status{};
    written.store(true);
    TRY(posts);
  }
  TRY(indexed);
  built_ = store->stats().posts - from;
  build_seconds_ = ms_since(begin) / 1e3;
  if (built_ > 0) {
    note(fmt::format("built     {} posts in {:.0f} s, indexed and compacted", built_,
                     build_seconds_));
  }
  return {};
}

// Posts at the rate, for so long, one bundle a millisecond; each counts from when it was due.
Status StoreBench::ingest(std::uint64_t round, Beside beside, Steady::time_point end) {
  const auto begin = Steady::now();
  StoreCorpus corpus(
      {.seed = options_.seed + 1'000 + round,
       .posts = 10'000'000,
       .end = clock_.wall_now(),
       .id_prefix = fmt::format("live_{}_", clock_.wall_now().time_since_epoch().count())},
      clock_);
  Figures figures;
  std::vector<Steady::time_point> due;
  Status failed;
  Mutex mu;
  StoreWriter writer(*store_, simulated_labels(), {},
                     [&](std::span<CommittedPost> posts, const Status& status) {
                       const MutexLock lock(mu);
                       if (!status.ok()) failed = status;
                       for (const CommittedPost& one : posts) {
                         figures.ms.push_back(ms_since(due[one.cookie]));
                       }
                     });
  std::uint64_t sent = 0;
  for (auto at = begin; at < end; at += kBundle) {
    std::this_thread::sleep_until(at);
    const double seconds = std::chrono::duration<double>(at - begin).count();
    const auto until = static_cast<std::uint64_t>(seconds * options_.rate);
    for (; sent < until; ++sent) {
      ScoredPost post = corpus.next();
      post.post.time = clock_.wall_now();
      {
        const MutexLock lock(mu);
        due.push_back(at);
      }
      if (!writer.try_submit(std::move(post), sent)) ++refused_;
    }
    if (sent % 4'096 == 0)
      index_lag_max_ = std::max(index_lag_max_, store_->stats().index_lag_posts);
  }
  writer.drain();
  writer.stop();
  Figures& all = ingest_[static_cast<std::size_t>(beside)];
  all.add(figures);
  all.p99_by_round.push_back(figures.at(0.99));
  return failed;
}

// Runs work(n), n counting up, at this thread's part of the rate.
template <typename Work>
void StoreBench::pace(std::size_t thread, double per_second, Steady::time_point end, Work&& work) {
  const auto every = std::chrono::duration_cast<Steady::duration>(
      std::chrono::duration<double>(kSearchThreads / per_second));
  std::size_t n = thread * 3;
  bool more = true;
  for (auto at = Steady::now() + every * thread / kSearchThreads; more && at < end;
       at += every, ++n) {
    std::this_thread::sleep_until(at);
    more = work(n);
  }
}

void StoreBench::search(std::size_t thread, std::uint64_t round, Steady::time_point end) {
  lower_thread_priority(kQueryNice);
  auto searches = StoreSearches::create(*store_, names_, options_.seed * 100 + round * 10 + thread);
  const auto keep_error = [&](const Error& error) {
    const MutexLock lock(mu_);
    search_error_ = error.message;
  };
  if (!searches.ok()) return keep_error(searches.error());
  std::vector<Figures> by_kind(kSearchKinds.size());
  std::vector<double> cpu_ms;
  pace(thread, options_.searches, end, [&](std::size_t n) {
    const std::size_t kind = n % kSearchKinds.size();
    const auto begin = Steady::now();
    const double cpu_begin = thread_cpu_ms();
    const auto answer = (*searches)->ask(static_cast<SearchKind>(kind));
    cpu_ms.push_back(thread_cpu_ms() - cpu_begin);
    by_kind[kind].ms.push_back(ms_since(begin));
    if (!answer.ok()) {
      keep_error(answer.error());
      return false;
    }
    by_kind[kind].incomplete += answer->complete ? 0 : 1;
    return true;
  });
  const MutexLock lock(mu_);
  search_cpu_ms_.insert(search_cpu_ms_.end(), cpu_ms.begin(), cpu_ms.end());
  for (std::size_t i = 0; i < by_kind.size(); ++i) by_kind_[i].add(by_kind[i]);
}

void StoreBench::compute(std::size_t thread, std::uint64_t round, Steady::time_point end) {
  lower_thread_priority(kQueryNice);
  std::vector<double> cpu_ms;
  {
    const MutexLock lock(mu_);
    cpu_ms = search_cpu_ms_;
  }
  std::mt19937_64 random(options_.seed * 100 + round * 10 + thread);
  if (cpu_ms.empty()) return;
  pace(thread, options_.searches, end, [&](std::size_t) {
    const double until = thread_cpu_ms() + cpu_ms[random() % cpu_ms.size()];
    volatile std::uint64_t sum = 0;
    while (thread_cpu_ms() < until) {
      for (std::uint64_t i = 0; i < 1'000; ++i) sum = sum + i;
    }
    return true;
  });
}

Status StoreBench::measure(std::uint64_t round, Beside beside) {
  const std::string what[] = {"alone", fmt::format("and {} searches/s", options_.searches),
                              "and as much arithmetic"};
  note(fmt::format("round {}: {} posts/s {} for {:.0f} s", round + 1, options_.rate,
                   what[static_cast<std::size_t>(beside)], options_.seconds));
  const auto end = Steady::now() + std::chrono::duration_cast<Steady::duration>(
                                       std::chrono::duration<double>(options_.seconds));
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; beside != Beside::kNothing && i < kSearchThreads; ++i) {
      threads.emplace_back([this, i, round, end, beside] {
        beside == Beside::kSearches ? search(i, round, end) : compute(i, round, end);
      });
    }
    TRY(ingest(round, beside, end));
  }
  const MutexLock lock(mu_);
  if (!search_error_.empty()) return Error{Code::kInternal, "a search failed: " + search_error_};
  return {};
}

void StoreBench::report() {
  const StoreStats stats = store_->stats();
  const double posts = static_cast<double>(std::max<std::uint64_t>(stats.posts, 1));
  auto& [alone, with_searches, with_arithmetic] = ingest_;
  const auto ratio_of = [&](Figures& beside) {
    return beside.at(0.99) / std::max(alone.at(0.99), 1e-9);
  };
  const auto median_ratio_of = [&](const Figures& beside) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < beside.p99_by_round.size(); ++i) {
      ratios.push_back(beside.p99_by_round[i] / std::max(alone.p99_by_round[i], 1e-9));
    }
    return median(std::move(ratios));
  };
  Json kinds = Json::object();
  Figures all;
  const MutexLock lock(mu_);
  for (std::size_t i = 0; i < by_kind_.size(); ++i) {
    all.add(by_kind_[i]);
    kinds[std::string{kSearchKinds[i]}] = by_kind_[i].json();
  }
  std::size_t good = 0;
  for (const double ms : all.ms) good += ms < kGoodMs ? 1 : 0;
  const double good_share =
      all.ms.empty() ? 0 : static_cast<double>(good) / static_cast<double>(all.ms.size());
  Json json{{"bench", "store"},
            {"machine", machine_text()},
            {"version", version_text()},
            {"posts", stats.posts},
            {"partitions", stats.partitions},
            {"bytes_per_post", static_cast<double>(stats.bytes) / posts},
            {"build_posts", built_},
            {"build_seconds", build_seconds_},
            {"rate", options_.rate},
            {"searches_per_second", options_.searches},
            {"searches", std::move(kinds)},
            {"all_searches", all.json()},
            {"under_500_ms", good_share},
            {"ingest_alone_ms", alone.json()},
            {"ingest_with_searches_ms", with_searches.json()},
            {"ingest_p99_ratio", ratio_of(with_searches)},
            {"ingest_p99_ratio_median", median_ratio_of(with_searches)},
            {"refused", refused_},
            {"index_lag_posts_max", index_lag_max_}};
  if (options_.control) {
    json["ingest_with_arithmetic_ms"] = with_arithmetic.json();
    json["arithmetic_p99_ratio"] = ratio_of(with_arithmetic);
    json["arithmetic_p99_ratio_median"] = median_ratio_of(with_arithmetic);
  }
  if (options_.json) {
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print("machine   {}\nversion   {}\n", machine_text(), version_text());
  fmt::print("store     {} posts in {} partitions, {:.0f} bytes a post on disk\n\n", stats.posts,
             stats.partitions, static_cast<double>(stats.bytes) / posts);
  fmt::print("{:<18}{:>7}{:>9}{:>9}{:>9}{:>9}{:>11}\n", "search, ms", "count", "p50", "p95", "p99",
             "max", "estimated");
  const auto line = [](std::string_view name, Figures& figures) {
    fmt::print("{:<18}{:>7}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f}{:>11}\n", name, figures.ms.size(),
               figures.at(0.5), figures.at(0.95), figures.at(0.99), figures.at(1),
               figures.incomplete);
  };
  for (std::size_t i = 0; i < by_kind_.size(); ++i) line(kSearchKinds[i], by_kind_[i]);
  line("all", all);
  fmt::print("\n{:.1f} % of searches in less than {:.0f} ms\n\n", good_share * 100, kGoodMs);
  line("ingest alone", alone);
  line("with searches", with_searches);
  if (options_.control) line("with arithmetic", with_arithmetic);
  fmt::print("\n");
  const auto ratio = [&](std::string_view name, Figures& beside) {
    fmt::print("ingest P99 with {} over alone: {:.2f}, median of the rounds {:.2f}\n", name,
               ratio_of(beside), median_ratio_of(beside));
  };
  ratio("searches", with_searches);
  if (options_.control) ratio("arithmetic", with_arithmetic);
  fmt::print("index at most {} posts behind; {} posts refused\n", index_lag_max_, refused_);
}

Status bench_store(const BenchStoreOptions& options) {
  TRY_ASSIGN(const Folder folder, Folder::open(options.data_dir));
  return StoreBench(options, folder.path()).run();
}

}  // namespace

int run_bench_store(const BenchStoreOptions& options) {
  const Status status = bench_store(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
