// SPDX-License-Identifier: Apache-2.0
// What user rules cost: matching alone, beside Hyperscan where it is installed, and the whole way
// of a post through rules, windows and detection on one core. Texts are words of a vocabulary with
// Zipf's frequencies, 96 characters on average; rules are made of the same vocabulary.
//   rules_bench [RULES=5000] [POSTS=400000]
#include <fmt/format.h>
#ifdef TIDEWATCH_HYPERSCAN
#include <hs/hs.h>
#endif
#include <time.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "aggregate/aggregator.h"
#include "detect/detector.h"
#include "detect/discovery.h"
#include "rules/phrase_finder.h"
#include "rules/rule_matcher.h"

namespace {

using namespace tidewatch;

constexpr std::size_t kWords = 30'000;
constexpr double kPostsPerSecond = 8'000;

// Processor seconds of this thread.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void append_character(std::string& text, std::uint64_t n) {
  const std::uint64_t code = 0x4E00 + n;
  text += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
           static_cast<char>(0x80 | (code & 0x3F))};
}

class Language {
 public:
  Language() {
    for (std::size_t i = 0; i < kWords; ++i) {
      std::string word;
      const std::uint64_t size = i < 300 ? 1 : 2 + random_() % 3;
      // Frequent characters in most words, as in Chinese.
      for (std::uint64_t k = 0; k < size; ++k) {
        const double u = std::generate_canonical<double, 53>(random_);
        append_character(word, static_cast<std::uint64_t>(4'000 * u * u * u));
      }
      if (i % 20 == 19) word = " word" + std::to_string(i) + " ";
      words_.push_back(std::move(word));
    }
  }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  // By Zipf: rank r with a frequency of about 1 / r.
  const std::string& word() {
    const double u = std::generate_canonical<double, 53>(random_);
    const auto rank = static_cast<std::size_t>(std::pow(static_cast<double>(kWords), u)) - 1;
    return words_[std::min(rank, kWords - 1)];
  }
  // A word that people would ask for: not one of the 500 most frequent.
  const std::string& term() { return words_[500 + below(kWords - 500)]; }

  std::string text() {
    static constexpr const char* kMarks[] = {"，", "。", "!", "[笑]", " "};
    std::string out;
    // Short posts are many, long ones few; 96 characters on average.
    const double u = std::generate_canonical<double, 53>(random_);
    const auto bytes = static_cast<std::size_t>(3 * (12 - 84 * std::log(1 - u * 0.9999)));
    while (out.size() < bytes) {
      out += word();
      if (below(6) == 0) out += kMarks[below(5)];
    }
    return out;
  }

  // 5 of 100 have a regular expression, 10 a NEAR, 30 a field.
  std::string query() {
    switch (below(20)) {
      case 0:
        return "/" + trimmed(term()) + ".{0,4}" + trimmed(term()) + "/";
      case 1:
      case 2:
        return quoted() + " NEAR/5 " + quoted();
      case 3:
      case 4:
      case 5:
        return "(" + quoted() + " OR " + quoted() + ") topic:topic" + std::to_string(below(14));
      case 6:
      case 7:
        return quoted() + " emotion:negative region:广东";
      case 8:
        return "source:s" + std::to_string(below(500)) + " emotion:angry";
      default: {
        std::string any = quoted();
        for (std::uint64_t i = below(5); i > 0; --i) any += " OR " + quoted();
        return "(" + any + ") -" + quoted();
      }
    }
  }

  const std::vector<std::string>& words() const { return words_; }

 private:
  static std::string trimmed(const std::string& word) {
    return word[0] == ' ' ? word.substr(1, word.size() - 2) : word;
  }
  std::string quoted() { return "\"" + term() + "\""; }

  std::mt19937_64 random_{1};
  std::vector<std::string> words_;
};

LabelSchema schema() {
  LabelSchema labels;
  labels.emotions = {"angry", "fear", "happy", "neutral", "sad", "surprise"};
  labels.negative = {true, true, false, false, true, false};
  for (int i = 0; i < 14; ++i) labels.topics.push_back("topic" + std::to_string(i));
  labels.neutral = 3;
  return labels;
}

std::vector<ScoredPost> make_posts(Language& language, std::size_t count) {
  static constexpr const char* kRegions[] = {"广东 深圳", "广东", "北京", "上海", "浙江 杭州",
                                             "四川",      "",     "山东", "湖北", "美国"};
  std::vector<ScoredPost> posts(count);
  for (std::size_t i = 0; i < count; ++i) {
    ScoredPost& one = posts[i];
    one.post.id = "post-" + std::to_string(1'000'000'000 + i);
    one.post.time =
        EventTime{std::chrono::milliseconds{1'700'000'000'000 + static_cast<std::int64_t>(i) / 8}};
    one.post.author = "author-" + std::to_string(language.below(500'000));
    one.post.region = kRegions[language.below(10)];
    one.post.source = "s" + std::to_string(language.below(3));
    one.post.text = language.text();
    one.text_hash = i + 1;
    one.scores.topic = static_cast<std::uint8_t>(language.below(14));
    one.scores.topic_prob[one.scores.topic] = 1;
    one.scores.emotion = static_cast<std::uint8_t>(language.below(6));
  }
  return posts;
}

void report(const char* what, double seconds, std::size_t posts) {
  const double each = seconds / static_cast<double>(posts);
  fmt::print("{:<44} {:>8.2f} us a post {:>6.1f} % of a core at {:.0f} posts/s\n", what, each * 1e6,
             100 * each * kPostsPerSecond, kPostsPerSecond);
}

// Rules, windows and detection, as the counting thread runs them.
double whole_way(const std::vector<ScoredPost>& posts,
                 const std::shared_ptr<const RuleMatcher>& rules, bool discover) {
  Aggregator aggregator({}, schema());
  Discovery discovery({});
  aggregator.set_rules(rules);
  if (discover) aggregator.set_observer(&discovery);
  Detector detector({});
  const auto names = [&](KeyId key) { return aggregator.name(key); };
  std::vector<Tick> ticks;
  std::vector<Change> changes;
  const double before = cpu_seconds();
  for (const ScoredPost& post : posts) {
    aggregator.add(post, ticks);
    for (Tick& tick : ticks) {
      changes.clear();
      leave_out_coordinated(tick);
      detector.observe(tick, names, changes);
      if (discover) discovery.advance(tick.second, changes);
    }
    ticks.clear();
  }
  return cpu_seconds() - before;
}

#ifdef TIDEWATCH_HYPERSCAN
// Only finds the phrases' bytes: no units, no separators, no rules.
void hyperscan(const std::vector<ScoredPost>& posts, const std::vector<std::string>& phrases) {
  std::vector<const char*> expressions;
  std::vector<std::size_t> sizes;
  std::vector<unsigned> flags, ids;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    expressions.push_back(phrases[i].c_str());
    sizes.push_back(phrases[i].size());
    flags.push_back(0);
    ids.push_back(static_cast<unsigned>(i));
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  const double compile_before = cpu_seconds();
  if (hs_compile_lit_multi(expressions.data(), flags.data(), ids.data(), sizes.data(),
                           static_cast<unsigned>(phrases.size()), HS_MODE_BLOCK, nullptr, &database,
                           &error) != HS_SUCCESS) {
    fmt::print("hyperscan: {}\n", error->message);
    hs_free_compile_error(error);
    return;
  }
  fmt::print("hyperscan: {} literals compiled in {:.0f} ms\n", phrases.size(),
             1e3 * (cpu_seconds() - compile_before));
  hs_scratch_t* scratch = nullptr;
  hs_alloc_scratch(database, &scratch);
  std::uint64_t hits = 0;
  const auto count = [](unsigned, unsigned long long, unsigned long long, unsigned, void* context) {
    ++*static_cast<std::uint64_t*>(context);
    return 0;
  };
  const double before = cpu_seconds();
  for (const ScoredPost& post : posts) {
    hs_scan(database, post.post.text.data(), static_cast<unsigned>(post.post.text.size()), 0,
            scratch, count, &hits);
  }
  report("hyperscan, bytes of the phrases only", cpu_seconds() - before, posts.size());
  fmt::print("  {:.2f} hits a post\n",
             static_cast<double>(hits) / static_cast<double>(posts.size()));
  hs_free_scratch(scratch);
  hs_free_database(database);
}
#endif

int run(std::size_t num_rules, std::size_t num_posts) {
  Language language;
  const LabelSchema labels = schema();
  const TopicTree tree = *TopicTree::create(labels, {});
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < num_rules; ++i) {
    rules.push_back({"rule" + std::to_string(i), language.query(), "", true});
  }
  const double compile_before = cpu_seconds();
  const auto matcher = RuleMatcher::create(rules, tree, labels);
  if (!matcher) {
    fmt::print(stderr, "{}\n", matcher.error().message);
    return 1;
  }
  fmt::print("{} rules compiled in {:.0f} ms, {:.1f} MB\n", num_rules,
             1e3 * (cpu_seconds() - compile_before),
             static_cast<double>((*matcher)->memory_bytes()) / 1e6);
  const std::vector<ScoredPost> posts = make_posts(language, num_posts);

  RuleMatcher::Scratch scratch;
  std::vector<std::uint32_t> found;
  std::uint64_t held = 0;
  double before = cpu_seconds();
  for (const ScoredPost& post : posts) {
    (*matcher)->match({.text = post.post.text,
                       .topic = post.scores.topic,
                       .emotion = post.scores.emotion,
                       .region = parse_region(post.post.region),
                       .source = post.post.source,
                       .author = post.post.author},
                      scratch, found);
    held += found.size();
  }
  report("rules alone", cpu_seconds() - before, num_posts);
  fmt::print("  {:.2f} rules hold for a post\n",
             static_cast<double>(held) / static_cast<double>(num_posts));

  PhraseFinder finder;
  std::set<std::string> phrases;
  for (const Rule& rule : rules) {
    const auto collect = [&](const auto& self, const QueryNode& node) -> void {
      if (node.kind == QueryKind::kPhrase) {
        finder.add(node.phrase);
        phrases.insert(node.text[0] == ' ' ? node.text.substr(1, node.text.size() - 2) : node.text);
      }
      for (const QueryNode& child : node.children) self(self, child);
    };
    collect(collect, *parse_query(rule.query));
  }
  finder.build();
  FoldedText folded;
  before = cpu_seconds();
  for (const ScoredPost& post : posts) fold_text(post.post.text, folded);
  report("folding the text", cpu_seconds() - before, num_posts);
  std::uint64_t hits = 0;
  before = cpu_seconds();
  for (const ScoredPost& post : posts) {
    fold_text(post.post.text, folded);
    finder.find(folded, [&hits](PhraseFinder::PhraseId, std::size_t) { ++hits; });
  }
  report("folding, and all phrases found in it", cpu_seconds() - before, num_posts);
  fmt::print("  {:.2f} hits a post of {} phrases\n",
             static_cast<double>(hits) / static_cast<double>(num_posts), phrases.size());
#ifdef TIDEWATCH_HYPERSCAN
  hyperscan(posts, {phrases.begin(), phrases.end()});
#endif
  report("windows and detection without rules", whole_way(posts, nullptr, false), num_posts);
  report("… with copied texts and emergent topics", whole_way(posts, nullptr, true), num_posts);
  report("rules, windows and detection", whole_way(posts, *matcher, false), num_posts);
  report("… with copied texts and emergent topics", whole_way(posts, *matcher, true), num_posts);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i, std::size_t fallback) {
    return argc > i ? static_cast<std::size_t>(std::strtoull(argv[i], nullptr, 10)) : fallback;
  };
  return run(number(1, 5'000), number(2, 400'000));
}
