// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/planted_posts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>
#include <utility>

#include "aggregate/terms.h"
#include "bench_detect/event_curve.h"
#include "simulate/composer.h"
#include "simulate/embedded.h"
#include "simulate/people.h"
#include "simulate/simulator.h"
#include "simulate/topics.h"

namespace tidewatch {
namespace {

constexpr double kTopicRight = 0.9, kMoodShare = 0.85;
constexpr double kBareShare = 0.4;     // of a cascade's reposts, as in CED
constexpr double kSameAuthor = 0.04;   // of a crowd's posts are by somebody who was in it before
constexpr double kBatchShare = 0.35;   // of the time between two batches is the batch
constexpr std::size_t kCharacter = 3;  // bytes of an ideograph
constexpr std::size_t kCurves = 50;
constexpr std::uint32_t kThinned = 4;  // between a curve's times posts come evenly: people do not

double log_uniform(double low, double high, Random& random) {
  return low * std::pow(high / low, random.unit());
}

const Grammar& grammar() {
  static const Grammar grammar = [] {
    auto compiled = Grammar::compile(bundled_grammar());
    assert(compiled.ok());  // simulate_grammar_test compiles it
    return std::move(compiled).value();
  }();
  return grammar;
}

// The first `characters` characters, without what is no word.
std::string opening(const std::string& text, std::size_t characters) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < characters * kCharacter;) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead >= 0xE4 && lead <= 0xE9) out += text.substr(i, bytes);
    i += bytes;
  }
  return out;
}

// Writes the posts of one event.
class Writer {
 public:
  Writer(std::size_t serial, EventTime start, Random& random)
      : start_(start),
        random_(random),
        composer_(grammar(), random),
        prefix_(planted_id(serial)),
        topic_(random.below(kNumNewsTopics)),
        mood_(static_cast<Emotion>(random.below(kSimulatedEmotions.size()))) {
    // Names that no other event has.
    event_.name = event_.subject = fmt::format("{}第{}号", word(), serial);
    event_.hashtag = word() + word();
    event_.topic = kSimulatedTopics[topic_];
    event_.details = {word() + word(), word() + "的" + word()};
    begin();
  }

  // Two or three rare ideographs.
  std::string word() {
    std::string out;
    for (std::uint32_t i = 2 + random_.below(2); i > 0; --i) {
      const std::uint32_t code = 0x5000 + random_.below(0x4000);
      out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
              static_cast<char>(0x80 | (code & 0x3F))};
    }
    return out;
  }
  std::string flood_text() {
    return write([&](std::string& out) { composer_.flood(event_, out); });
  }
  std::string own_words() {
    return write([&](std::string& out) { composer_.about_event(event_, mood(), out); });
  }
  std::string comment() {
    return write([&](std::string& out) { composer_.event_comment(event_, mood(), out); });
  }
  Emotion mood() { return random_.chance(kMoodShare) ? mood_ : Emotion::kNeutral; }

  // What copies vary without changing the message.
  std::string decorated(const std::string& text) {
    static constexpr std::array<std::string_view, 8> kTails = {"",  "😀",      "!!",   "。",
                                                               "~", "[笑cry]", "🔥🔥", "……"};
    std::string out = text;
    if (random_.chance(0.3)) out = fmt::format("@用户{} {}", random_.below(1'000'000), out);
    out += kTails[random_.below(kTails.size())];
    if (random_.chance(0.25)) out += fmt::format(" http://t.example/{:x}", random_.below(1U << 24));
    return out;
  }
  // A place after a third of the text and a number at its end.
  std::string filled(const std::string& text) {
    const std::string_view place =
        regions()[random_.below(static_cast<std::uint32_t>(regions().size()))].name;
    const std::string_view head = cut_at_character(text, text.size() / 3);
    return decorated(fmt::format("{}{}{}{}元", head, place, text.substr(head.size()),
                                 10 + random_.below(9'990)));
  }

  void post(double second, std::string author, std::string text, const std::string& repost_of) {
    ScoredPost post;
    post.post.id = fmt::format("{}{}", prefix_, posts_.size());
    post.post.author = std::move(author);
    post.post.text = std::move(text);
    post.post.time = start_ + std::chrono::milliseconds{static_cast<std::int64_t>(second * 1'000)};
    post.post.repost_of = repost_of;
    post.post.region = regions()[home_of(post.post.author)].name;
    if (!post.post.text.empty()) {
      const std::size_t topic =
          random_.chance(kTopicRight) ? topic_ : random_.below(kNumNewsTopics);
      post.scores.topic = static_cast<std::uint8_t>(topic);
      post.scores.topic_prob[topic] = 1;
      post.scores.emotion = static_cast<std::uint8_t>(mood());
    }
    posts_.push_back(std::move(post));
  }
  std::vector<ScoredPost> take() {
    std::stable_sort(posts_.begin(), posts_.end(), [](const ScoredPost& a, const ScoredPost& b) {
      return a.post.time < b.post.time;
    });
    return std::move(posts_);
  }
  std::string original() const { return prefix_ + "original"; }

 private:
  template <typename Compose>
  std::string write(Compose&& compose) {
    std::string out;
    begin();
    compose(out);
    return out;
  }
  void begin() {
    other_ = fmt::format("用户{}", random_.below(1'000'000));
    composer_.begin({.city = "北京",
                     .daypart = "今天",
                     .other_user = other_,
                     .url = "http://t.example/A6bcdef"});
  }
  static std::size_t home_of(std::string_view author) {
    std::uint64_t hash = 0;
    for (const char c : author) hash = mix_bits(hash + static_cast<unsigned char>(c));
    return hash % regions().size();
  }

  const EventTime start_;
  Random& random_;
  Composer composer_;
  const std::string prefix_;
  const std::size_t topic_;
  const Emotion mood_;
  PlantedEvent event_;
  std::string other_;
  std::vector<ScoredPost> posts_;
};

std::vector<double> flood_times(const FloodPlan& plan, Random& random) {
  std::vector<double> times;
  const double gap = static_cast<double>(plan.seconds) / plan.posts;
  const double batch_posts = plan.accounts, batch = gap * batch_posts;
  double at = 0;
  for (std::uint32_t i = 0; i < plan.posts; ++i) {
    if (plan.timing == FloodTiming::kRegular) at = gap * (i + 0.2 * (random.unit() - 0.5));
    if (plan.timing == FloodTiming::kRandom) at += gap * random.exponential();
    if (plan.timing == FloodTiming::kBatches) {
      at = batch * (i / plan.accounts + kBatchShare * random.unit());
    }
    times.push_back(std::max(at, 0.0));
  }
  std::sort(times.begin(), times.end());
  const double first = times.front();
  for (double& time : times) time -= first;
  return times;
}

std::string flood_text(const FloodPlan& plan, const std::string& base, Writer& writer,
                       Random& random) {
  switch (plan.text) {
    case FloodText::kExact:
      return base;
    case FloodText::kDecorated:
    case FloodText::kShort:
      return writer.decorated(base);
    case FloodText::kTemplate:
      return writer.filled(base);
    case FloodText::kComment:
      return fmt::format("{}//@用户{}:{}", writer.decorated(base), random.below(1'000'000),
                         "转发微博");
    case FloodText::kBare:
      break;
  }
  return random.chance(0.5) ? "" : "转发微博";
}

}  // namespace

FloodPlan draw_flood(Random& random) {
  FloodPlan plan;
  plan.text = static_cast<FloodText>(random.below(kFloodTexts.size()));
  plan.timing = static_cast<FloodTiming>(random.below(kFloodTimings.size()));
  plan.in_turn = random.chance(0.5);
  plan.accounts = 15 + random.below(46);
  plan.posts = static_cast<std::uint32_t>(log_uniform(300, 30'000, random));
  plan.seconds = static_cast<std::int32_t>(log_uniform(600, 3 * 3'600, random));
  return plan;
}

CrowdPlan draw_crowd(Random& random) {
  CrowdPlan plan;
  plan.shape = static_cast<CrowdShape>(random.below(kCrowdShapes.size()));
  plan.posts = static_cast<std::uint32_t>(log_uniform(1'000, 30'000, random));
  plan.seconds = static_cast<std::int32_t>(log_uniform(600, 3 * 3'600, random));
  return plan;
}

std::string planted_id(std::size_t serial) { return fmt::format("p{}-", serial); }

std::vector<ScoredPost> flood_posts(const FloodPlan& plan, std::size_t serial, EventTime start,
                                    Random& random) {
  Writer writer(serial, start, random);
  std::string base = writer.flood_text();
  if (plan.text == FloodText::kShort) base = opening(base, 4 + random.below(6));
  const bool passed_on = plan.text == FloodText::kComment || plan.text == FloodText::kBare;
  const std::string original = passed_on ? writer.original() : std::string{};
  const std::vector<double> times = flood_times(plan, random);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::size_t account = plan.in_turn ? i % plan.accounts : random.below(plan.accounts);
    writer.post(times[i], fmt::format("{}account{}", planted_id(serial), account),
                flood_text(plan, base, writer, random), original);
  }
  return writer.take();
}

std::vector<ScoredPost> crowd_posts(const CrowdPlan& plan, std::size_t serial, EventTime start,
                                    Random& random) {
  Writer writer(serial, start, random);
  static const std::vector<EventCurve> curves = make_event_curves(7, kCurves);
  std::mt19937_64 engine(random.next());
  const std::vector<std::uint32_t> counts =
      resample_event(curves[random.below(kCurves)], kThinned * plan.posts, plan.seconds, engine);
  const std::string copied = writer.flood_text();
  const std::string head = writer.own_words();
  std::uint32_t authors = 0;
  for (std::size_t second = 0; second < counts.size(); ++second) {
    for (std::uint32_t i = 0; i < counts[second]; ++i) {
      if (random.below(kThinned) != 0) continue;
      const bool again = authors > 0 && random.chance(kSameAuthor);
      const std::uint32_t author = again ? random.below(authors) : authors++;
      std::string text;
      if (plan.shape == CrowdShape::kCopying) text = writer.decorated(copied);
      if (plan.shape == CrowdShape::kOwnWords) text = writer.own_words();
      if (plan.shape == CrowdShape::kCascade) {
        text = random.chance(kBareShare) ? (random.chance(0.5) ? "" : "转发微博")
                                         : fmt::format("{}//@某人:{}", writer.comment(), head);
      }
      writer.post(static_cast<double>(second) + random.unit(),
                  fmt::format("{}person{}", planted_id(serial), author), std::move(text),
                  plan.shape == CrowdShape::kCascade ? writer.original() : std::string{});
    }
  }
  return writer.take();
}

}  // namespace tidewatch
