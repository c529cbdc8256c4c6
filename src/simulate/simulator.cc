// SPDX-License-Identifier: Apache-2.0
#include "simulate/simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "simulate/composer.h"
#include "simulate/embedded.h"
#include "simulate/people.h"
#include "simulate/rhythm.h"
#include "simulate/topics.h"
#include "simulate/traditional.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;
using Shares = std::array<std::uint32_t, kSimulatedEmotions.size()>;  // of 100, by emotion

constexpr std::size_t kRecentMax = 4096;     // background posts that can still be passed on
constexpr std::size_t kEventRecentMax = 64;  // posts of one event, likewise
constexpr std::size_t kChainBytesMax = 240;  // of the comments quoted in a repost
constexpr std::uint32_t kSpamAuthors = 12;

constexpr double kRepostShare = 0.34;
constexpr double kSpamShare = 0.012;
constexpr double kNoRegionShare = 0.02;
constexpr double kEventRepostShare = 0.30;
constexpr double kEventOutsideShare = 0.15;  // of an event's posts, from other regions than its own

// How often each topic is written about, and in which mood: angry fear happy neutral sad surprise.
struct TopicMix {
  std::uint32_t weight;
  Shares emotions;
};
constexpr std::array<TopicMix, kSimulatedTopics.size()> kTopics = {{
    {30, {10, 3, 22, 52, 9, 4}},    // agriculture
    {50, {14, 4, 20, 50, 6, 6}},    // car
    {35, {5, 2, 28, 54, 6, 5}},     // culture
    {65, {11, 6, 24, 44, 11, 4}},   // edu
    {120, {9, 2, 36, 37, 9, 7}},    // entertainment
    {60, {11, 5, 17, 53, 9, 5}},    // finance
    {70, {13, 2, 28, 44, 7, 6}},    // game
    {40, {14, 5, 17, 51, 9, 4}},    // house
    {30, {4, 3, 24, 56, 8, 5}},     // military
    {70, {10, 2, 33, 40, 9, 6}},    // sports
    {25, {16, 5, 16, 40, 17, 6}},   // story
    {70, {12, 4, 22, 50, 5, 7}},    // tech
    {60, {8, 4, 34, 45, 4, 5}},     // travel
    {35, {7, 8, 12, 58, 9, 6}},     // world
    {390, {13, 5, 33, 23, 20, 6}},  // life
}};

// How much a topic is talked about at an hour in China, in percent of its usual weight.
std::uint32_t topic_tilt(std::size_t topic, int hour) {
  const std::string_view name = kSimulatedTopics[topic];
  const bool night = hour >= 22 || hour < 3;
  const bool work = hour >= 9 && hour < 16;
  if (name == "finance") return work ? 190 : night ? 45 : 90;
  if (name == "entertainment") return hour >= 19 || hour < 1 ? 150 : 90;
  if (name == "game" || name == "story") return night ? 160 : 90;
  if (name == "sports") return hour >= 19 && hour < 24 ? 140 : 90;
  if (name == "edu") return hour == 7 || hour == 17 || hour == 18 ? 150 : night ? 70 : 100;
  if (name == "car") return hour == 8 || hour == 18 ? 140 : 100;
  if (name == "agriculture") return hour >= 5 && hour < 9 ? 150 : night ? 50 : 100;
  return 100;
}

template <std::size_t kSize>
std::size_t draw(const std::array<std::uint32_t, kSize>& weights, Random& random) {
  std::uint32_t total = 0;
  for (const std::uint32_t weight : weights) total += weight;
  std::uint32_t dice = random.below(total);
  std::size_t i = 0;
  while (dice >= weights[i]) dice -= weights[i++];
  return i;
}

// A post that can be passed on.
struct Recent {
  std::uint64_t number = 0;  // of the original, also when this is a repost of it
  Author author;
  std::size_t topic = 0;
  Emotion emotion = Emotion::kNeutral;
  std::string chain;  // "//@name:what they said", for who passes on this repost; empty: original
};

// The last posts, the oldest overwritten by the newest.
class RecentRing {
 public:
  explicit RecentRing(std::size_t capacity) : posts_(capacity) {}
  std::size_t size() const { return std::min(added_, posts_.size()); }
  Recent& add() { return posts_[added_++ % posts_.size()]; }

  // Newer posts are passed on more, and of three candidates the one by the best-known author.
  // Precondition: size() > 0.
  const Recent& pick(Random& random) const {
    const Recent* best = nullptr;
    for (int i = 0; i < 3; ++i) {
      const double u = random.unit();
      const auto back = static_cast<std::size_t>(u * u * static_cast<double>(size()));
      const Recent& candidate = posts_[(added_ - 1 - back) % posts_.size()];
      if (best == nullptr || candidate.author.rank < best->author.rank) best = &candidate;
    }
    return *best;
  }

 private:
  std::vector<Recent> posts_;
  std::size_t added_ = 0;
};

// A planted event while it runs.
struct RunningEvent {
  RunningEvent(const PlantedEvent& planted_event, EventTime run_start, Random& random)
      : planted(&planted_event),
        topic(index_of(kSimulatedTopics, planted_event.topic)),
        mood(static_cast<Emotion>(index_of(kSimulatedEmotions, planted_event.mood))),
        kind(planted_event.kind == "copypaste" ? WaveKind::kCopypaste
             : planted_event.kind == "happy"   ? WaveKind::kHappy
                                               : WaveKind::kWave),
        wave(kind, run_start + planted_event.start, planted_event.duration, planted_event.posts,
             random),
        recent(kEventRecentMax),
        bin(std::max<milliseconds>(milliseconds(planted_event.duration) / 30, milliseconds(1000))) {
    for (const std::string& name : planted_event.regions) {
      const int region = find_region(name);
      assert(region >= 0);
      const auto index = static_cast<std::uint32_t>(region);
      region_lottery.insert(region_lottery.end(), regions()[index].weight, index);
    }
  }

  const PlantedEvent* planted;
  std::size_t topic;
  Emotion mood;
  WaveKind kind;
  Wave wave;
  EventTime at{};  // of the next post
  bool over = false;
  RecentRing recent;
  std::vector<std::uint32_t> region_lottery;
  std::string flood_text;
  milliseconds bin;  // the peak is the fullest of these
  std::int64_t bin_now = -1;
  std::uint64_t bin_posts = 0;
  std::uint64_t bin_posts_max = 0;
};

void append_number(std::uint64_t number, std::string& out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, static_cast<std::size_t>(end.ptr - digits));
}

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, done, i - done);
    done = i + 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    }
  }
  out.append(text, done);
  out += '"';
}

// RFC 3339 in China's time zone: "2026-01-05T08:00:00.000+08:00".
std::string china_time(EventTime at) {
  const auto local = at + std::chrono::hours(8);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(local - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+08:00",
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

const Grammar& bundled() {
  static const Grammar grammar = [] {
    auto compiled = Grammar::compile(bundled_grammar());
    assert(compiled.ok());  // grammar_test compiles it and shows the message
    return std::move(compiled).value();
  }();
  return grammar;
}

}  // namespace

class Simulator::Impl {
 public:
  explicit Impl(SimulateOptions options)
      : options_(std::move(options)),
        end_(options_.start + options_.duration),
        random_(mix_bits(options_.seed)),
        composer_(bundled(), random_),
        background_(options_.start, options_.duration, options_.posts_per_second),
        recent_(kRecentMax) {
    assert(std::isfinite(options_.posts_per_second) && options_.posts_per_second >= 0);
    id_prefix_ = fmt::format("sim-{}-", options_.seed);
    background_over_ = !background_.next(random_, background_at_);
    events_.reserve(options_.events.size());  // posts point into options_.events
    for (const PlantedEvent& planted : options_.events) {
      RunningEvent& event = events_.emplace_back(planted, options_.start, random_);
      truth_.events.push_back({planted.name,
                               planted.topic,
                               planted.regions,
                               planted.kind,
                               planted.hashtag,
                               0,
                               0,
                               "",
                               {},
                               {},
                               {}});
      advance(event);
    }
  }

  bool next(std::string& line) {
    // The earliest of the background and the events; the events are few.
    RunningEvent* event = nullptr;
    for (RunningEvent& candidate : events_) {
      if (!candidate.over && (event == nullptr || candidate.at < event->at)) event = &candidate;
    }
    if (event != nullptr && !background_over_ && background_at_ <= event->at) event = nullptr;
    if (event == nullptr && background_over_) return false;

    const EventTime at = event != nullptr ? event->at : background_at_;
    begin_post(at);
    if (event != nullptr) {
      write_event_post(*event);
    } else {
      write_background_post();
    }
    finish_line(line);
    if (event != nullptr) {
      note_truth(*event);
      advance(*event);
    } else {
      background_over_ = !background_.next(random_, background_at_);
    }
    return true;
  }

  const PostTruth& last_post() const { return post_truth_; }
  const Truth& truth() const { return truth_; }

 private:
  // ---- time ----
  void advance(RunningEvent& event) {
    event.over = !event.wave.next(random_, event.at) || event.at >= end_;
  }

  void begin_post(EventTime at) {
    at_ = at;
    number_ = ++truth_.posts;
    text_.clear();
    repost_of_ = 0;
    likes_ = 0;
    const auto second = std::chrono::floor<std::chrono::seconds>(at);
    if (second != time_second_) {
      time_second_ = second;
      time_text_ = china_time(at);
      daypart_ = daypart(at);
      if (const int hour = china_hour(at); hour != hour_) {
        hour_ = hour;
        for (std::size_t i = 0; i < topic_weights_.size(); ++i) {
          topic_weights_[i] = kTopics[i].weight * topic_tilt(i, hour);
        }
      }
    }
    const auto ms = static_cast<unsigned>((at - second).count());
    constexpr std::size_t kMsAt = 20;  // "2026-01-05T08:00:00." before it
    time_text_[kMsAt] = static_cast<char>('0' + ms / 100);
    time_text_[kMsAt + 1] = static_cast<char>('0' + ms / 10 % 10);
    time_text_[kMsAt + 2] = static_cast<char>('0' + ms % 10);
  }

  // ---- who ----
  void set_author(Author author) {
    author_ = author;
    nickname_.clear();
    population_.append_nickname(author, nickname_);
    begin_text();
  }

  void begin_text() {
    other_user_.clear();
    population_.append_nickname(population_.pick_author(population_.pick_region(random_), random_),
                                other_user_);
    // A domain that can never exist (RFC 2606).
    constexpr std::string_view kDigits =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    url_ = "http://t.example/A6";
    std::uint64_t bits = random_.next();
    for (int i = 0; i < 6; ++i, bits /= kDigits.size()) url_ += kDigits[bits % kDigits.size()];
    composer_.begin({population_.city(author_), daypart_, other_user_, url_});
  }

  void set_spam_author(std::uint64_t key) {
    author_ = {population_.pick_region(random_), Population::kNumAuthors};
    author_.region = static_cast<std::uint32_t>(mix_bits(key) % regions().size());
    nickname_ = "用户";
    append_number(1'000'000'000 + mix_bits(key + options_.seed * 7919) % 9'000'000'000, nickname_);
    begin_text();
  }

  // ---- what ----
  void write_background_post() {
    post_truth_.event = {};
    if (random_.chance(kSpamShare)) {
      write_spam();
      return;
    }
    set_author(population_.pick_author(population_.pick_region(random_), random_));
    if (recent_.size() > 0 && random_.chance(kRepostShare)) {
      write_repost(recent_, nullptr, std::nullopt);
      return;
    }
    const std::size_t topic = draw(topic_weights_, random_);
    Shares shares = kTopics[topic].emotions;
    if (hour_ < 4) shares[static_cast<std::size_t>(Emotion::kSad)] *= 2;  // the small hours
    const auto emotion = static_cast<Emotion>(draw(shares, random_));
    composer_.original(topic, emotion, text_);
    set_mood(topic, emotion);
    remember(recent_, topic, emotion, number_);
    draw_likes(1);
  }

  void write_spam() {
    // A campaign: one text by a dozen accounts, some tens of times.
    if (spam_left_ == 0) {
      spam_left_ = 20 + random_.below(120);
      ++spam_campaign_;
      set_spam_author(spam_campaign_ * 100);
      spam_text_.clear();
      composer_.spam(spam_text_);
    }
    --spam_left_;
    set_spam_author(spam_campaign_ * 100 + random_.below(kSpamAuthors));
    text_ = spam_text_;
    set_mood(kSimulatedTopics.size(), Emotion::kHappy);
  }

  void write_event_post(RunningEvent& event) {
    const PlantedEvent& planted = *event.planted;
    post_truth_.event = planted.name;
    const Emotion emotion = event_emotion(event);
    if (event.kind == WaveKind::kCopypaste) {
      const auto accounts =
          static_cast<std::uint32_t>(std::clamp<std::uint64_t>(planted.posts / 40, 3, 60));
      set_spam_author(mix_bits(event.topic + planted.start.count() * 31) + random_.below(accounts));
      if (event.flood_text.empty()) composer_.flood(planted, event.flood_text);
      text_ = event.flood_text;
      set_mood(event.topic, emotion);
      return;
    }
    const bool outside = event.region_lottery.empty() || random_.chance(kEventOutsideShare);
    const auto tickets = static_cast<std::uint32_t>(event.region_lottery.size());
    set_author(population_.pick_author(
        outside ? population_.pick_region(random_) : event.region_lottery[random_.below(tickets)],
        random_));
    if (event.recent.size() > 0 && random_.chance(kEventRepostShare)) {
      write_repost(event.recent, &planted, emotion);
      return;
    }
    composer_.about_event(planted, emotion, text_);
    set_mood(event.topic, emotion);
    remember(event.recent, event.topic, emotion, number_);
    draw_likes(4);
  }

  Emotion event_emotion(const RunningEvent& event) {
    if (random_.chance(event.planted->negative_share)) {
      if (random_.chance(0.72)) return event.mood;
      constexpr std::array<Emotion, 3> kNegative = {Emotion::kAngry, Emotion::kFear, Emotion::kSad};
      return kNegative[random_.below(3)];
    }
    const double dice = random_.unit();
    if (event.kind == WaveKind::kWave) return dice < 0.75 ? Emotion::kNeutral : Emotion::kSurprise;
    return dice < 0.85 ? Emotion::kHappy : dice < 0.95 ? Emotion::kNeutral : Emotion::kSurprise;
  }

  // Passes on a post of the ring. Without an emotion given, it takes after the post's.
  void write_repost(RecentRing& ring, const PlantedEvent* planted, std::optional<Emotion> mood) {
    // A copy, since remembering this repost may overwrite the ring's entry.
    const Recent& found = ring.pick(random_);
    parent_.number = found.number;
    parent_.author = found.author;
    parent_.topic = found.topic;
    parent_.emotion = found.emotion;
    parent_.chain = found.chain;
    repost_of_ = parent_.number;
    const Emotion emotion = mood                   ? *mood
                            : random_.chance(0.55) ? parent_.emotion
                                                   : Emotion::kNeutral;
    // Nothing said: only without a mood to show.
    if (emotion == Emotion::kNeutral && random_.chance(planted != nullptr ? 0.6 : 0.8)) {
      if (random_.chance(0.2)) text_ = "转发微博";
      set_mood(parent_.topic, Emotion::kNeutral);
      return;
    }
    if (planted != nullptr) {
      composer_.event_comment(*planted, emotion, text_);
    } else {
      composer_.comment(emotion, text_);
    }
    set_mood(parent_.topic, emotion);
    chain_.assign("//@").append(nickname_).append(":").append(text_);
    if (!parent_.chain.empty() && random_.chance(0.85)) text_ += parent_.chain;
    // Now this repost can be passed on too, with what was said so far.
    if (chain_.size() + parent_.chain.size() > kChainBytesMax || random_.chance(0.5)) return;
    Recent& entry = ring.add();
    entry.number = parent_.number;
    entry.author = author_;
    entry.topic = parent_.topic;
    entry.emotion = emotion;
    entry.chain = chain_;
    entry.chain += parent_.chain;
  }

  void remember(RecentRing& ring, std::size_t topic, Emotion emotion, std::uint64_t number) {
    Recent& entry = ring.add();
    entry.number = number;
    entry.author = author_;
    entry.topic = topic;
    entry.emotion = emotion;
    entry.chain.clear();
  }

  // Few get many: Pareto, and more for the well-known.
  void draw_likes(double excitement) {
    const double influence = excitement * (1 + 3000.0 / (static_cast<double>(author_.rank) + 40));
    const double u = 1 - random_.unit();
    likes_ = static_cast<std::uint64_t>(std::min((1 / u - 1) * influence, 900'000.0));
  }

  void set_mood(std::size_t topic, Emotion emotion) {
    post_truth_.topic = topic < kSimulatedTopics.size() ? kSimulatedTopics[topic] : "spam";
    post_truth_.emotion = kSimulatedEmotions[static_cast<std::size_t>(emotion)];
    negative_ = is_negative(emotion);
  }

  // ---- out ----
  void finish_line(std::string& line) {
    if (population_traditional()) make_traditional(text_);
    id_ = id_prefix_;
    append_number(number_, id_);
    line.assign("{\"id\":\"").append(id_).append("\",\"time\":\"").append(time_text_);
    line += "\",\"source\":\"simulate\",\"author\":";
    append_json_string(nickname_, line);
    if (!random_.chance(kNoRegionShare)) {
      const Region& region = regions()[author_.region];
      line.append(",\"region\":\"").append(region.name);
      if (!region.cities.empty() && random_.chance(0.2)) {
        line.append(" ").append(author_.rank == Population::kNumAuthors
                                    ? region.cities.front()
                                    : population_.city(author_));
      }
      line += '"';
    }
    if (repost_of_ != 0) {
      line.append(",\"repost_of\":\"").append(id_prefix_);
      append_number(repost_of_, line);
      line += '"';
    }
    line += ",\"likes\":";
    append_number(likes_, line);
    line += ",\"reposts\":";
    append_number(likes_ / 9, line);
    if (text_.find(url_) != std::string::npos) line.append(",\"url\":\"").append(url_).append("\"");
    line += ",\"text\":";
    append_json_string(text_, line);
    line += '}';
    post_truth_.id = id_;
    post_truth_.repost = repost_of_ != 0;
  }

  bool population_traditional() const {
    return author_.rank < Population::kNumAuthors && population_.writes_traditional(author_);
  }

  void note_truth(RunningEvent& event) {
    EventTruth& truth = truth_.events[static_cast<std::size_t>(&event - events_.data())];
    if (truth.posts++ == 0) {
      truth.first_post_id = id_;
      truth.started_at = at_;
    }
    if (negative_) ++truth.negative_posts;
    truth.ended_at = at_;
    const std::int64_t bin = (at_ - truth.started_at) / event.bin;
    if (bin != event.bin_now) {
      event.bin_now = bin;
      event.bin_posts = 0;
    }
    if (++event.bin_posts > event.bin_posts_max) {
      event.bin_posts_max = event.bin_posts;
      truth.peak_at = truth.started_at + event.bin * bin + event.bin / 2;
    }
  }

  const SimulateOptions options_;
  const EventTime end_;
  Random random_;
  const Population population_;
  Composer composer_;
  Background background_;
  EventTime background_at_{};
  bool background_over_ = false;
  std::vector<RunningEvent> events_;
  RecentRing recent_;
  Truth truth_;
  PostTruth post_truth_;
  std::string id_prefix_;

  // The post being written.
  EventTime at_{};
  std::uint64_t number_ = 0;
  Author author_;
  bool negative_ = false;
  std::uint64_t repost_of_ = 0;
  std::uint64_t likes_ = 0;
  std::string id_, nickname_, other_user_, url_, text_, chain_;
  Recent parent_;

  // Kept from post to post.
  std::chrono::sys_seconds time_second_{std::chrono::seconds::min()};
  std::string time_text_;
  std::string_view daypart_;
  int hour_ = -1;
  std::array<std::uint32_t, kSimulatedTopics.size()> topic_weights_{};
  std::string spam_text_;
  std::uint32_t spam_left_ = 0;
  std::uint64_t spam_campaign_ = 0;
};

Simulator::Simulator(SimulateOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Simulator::~Simulator() = default;
Simulator::Simulator(Simulator&&) noexcept = default;
Simulator& Simulator::operator=(Simulator&&) noexcept = default;

bool Simulator::next(std::string& ndjson_line) { return impl_->next(ndjson_line); }
const PostTruth& Simulator::last_post() const { return impl_->last_post(); }
const Truth& Simulator::truth() const { return impl_->truth(); }

std::string to_ndjson(const EventTruth& truth) {
  std::string out = "{\"name\":";
  append_json_string(truth.name, out);
  out.append(",\"topic\":\"").append(truth.topic).append("\",\"regions\":[");
  for (std::size_t i = 0; i < truth.regions.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(truth.regions[i], out);
  }
  out.append("],\"kind\":\"").append(truth.kind).append("\",\"hashtag\":");
  append_json_string(truth.hashtag, out);
  out += ",\"posts\":";
  append_number(truth.posts, out);
  out += ",\"negative_posts\":";
  append_number(truth.negative_posts, out);
  if (truth.posts > 0) {
    out.append(",\"first_post_id\":\"").append(truth.first_post_id);
    out.append("\",\"started_at\":\"").append(china_time(truth.started_at));
    out.append("\",\"peak_at\":\"").append(china_time(truth.peak_at));
    out.append("\",\"ended_at\":\"").append(china_time(truth.ended_at)).append("\"");
  } else {
    out += ",\"first_post_id\":null,\"started_at\":null,\"peak_at\":null,\"ended_at\":null";
  }
  out += '}';
  return out;
}

std::string to_ndjson(const PostTruth& truth) {
  std::string out = "{\"id\":\"";
  out.append(truth.id).append("\",\"event\":");
  if (truth.event.empty()) {
    out += "null";
  } else {
    append_json_string(truth.event, out);
  }
  out.append(",\"topic\":\"").append(truth.topic).append("\",\"emotion\":\"");
  out.append(truth.emotion).append("\",\"repost\":").append(truth.repost ? "true" : "false");
  out += '}';
  return out;
}

}  // namespace tidewatch
