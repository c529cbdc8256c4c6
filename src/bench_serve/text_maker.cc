// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/text_maker.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "simulate/composer.h"
#include "simulate/embedded.h"
#include "simulate/grammar.h"

namespace tidewatch {
namespace {

constexpr std::string_view kBareRepost = "转发微博";
constexpr std::size_t kComposedPosts = 6'000;
constexpr std::size_t kPhraseTokensMax = 24;
constexpr std::size_t kCharacters = 512;     // of a mention
constexpr std::uint32_t kMentionTokens = 4;  // "@" and three characters
constexpr double kRepeatDistanceMax = 100'000;
constexpr int kTriesMax = 8;
constexpr std::array<std::string_view, 10> kBreaks = {"，", "。", "！", "？", "；",
                                                      "…",  "、", "~",  "\n", " "};

std::size_t break_at(std::string_view text, std::size_t from) {
  for (std::size_t i = from; i < text.size(); ++i) {
    for (const std::string_view mark : kBreaks) {
      if (text.substr(i).starts_with(mark)) return i + mark.size();
    }
  }
  return text.size();
}

bool ascii_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Bytes of three that begin with 0xE3 to 0xE9: CJK and its punctuation.
bool three_bytes_each(std::string_view text) {
  if (text.size() % 3 != 0) return false;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0xE3 || lead > 0xEF) return false;
  }
  return true;
}

bool is_ideograph(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  return character.size() == 3 && lead >= 0xE4 && lead <= 0xE9;
}

// Texts of every topic and emotion from the bundled grammar.
std::vector<std::string> composed_texts() {
  Result<Grammar> grammar = Grammar::compile(bundled_grammar());
  std::vector<std::string> texts;
  if (!grammar) return texts;  // the bundled grammar compiles: its tests say so
  Random random(20'261'125);
  Composer composer(*grammar, random);
  for (std::size_t i = 0; i < kComposedPosts; ++i) {
    composer.begin({"杭州", "早上", "路过的人", "https://t.example/Ab3"});
    const auto emotion = static_cast<Emotion>(random.below(6));
    std::string& text = texts.emplace_back();
    if (i % 3 == 0) {
      composer.comment(emotion, text);
    } else {
      composer.original(random.below(static_cast<std::uint32_t>(kSimulatedTopics.size())), emotion,
                        text);
    }
  }
  return texts;
}

}  // namespace

TextMaker::TextMaker(const TextMakerOptions& options)
    : lengths_(options.lengths), duplicates_(options.duplicates), seed_(mix_bits(options.seed)) {}

Result<TextMaker> TextMaker::create(const Tokenizer& tokenizer, const TextMakerOptions& options) {
  TextMaker maker(options);
  TRY(maker.collect(tokenizer));
  return maker;
}

Status TextMaker::collect(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids(tokenizer.tokens_max());
  const auto inner_tokens = [&](std::string_view text) {
    return static_cast<std::uint32_t>(tokenizer.encode(text, ids) - 2);
  };
  std::unordered_set<std::string> seen;
  std::unordered_map<std::string, std::size_t> frequency;
  std::vector<Phrase> others;
  for (const std::string& text : composed_texts()) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = break_at(text, begin);
      const std::string_view piece = std::string_view(text).substr(begin, end - begin);
      begin = end;
      if (ascii_word(piece.front()) || ascii_word(piece.back())) continue;  // would grow together
      const std::uint32_t tokens = inner_tokens(piece);
      if (tokens < 2 || tokens > kPhraseTokensMax || !seen.emplace(piece).second) continue;
      const Phrase phrase{static_cast<std::uint32_t>(material_.size()),
                          static_cast<std::uint32_t>(piece.size()), tokens};
      material_ += piece;
      const bool cuttable = three_bytes_each(piece) && piece.size() == std::size_t{tokens} * 3;
      (cuttable ? phrases_ : others).push_back(phrase);
      if (!cuttable) continue;
      for (std::size_t i = 0; i < piece.size(); i += 3)
        ++frequency[std::string(piece.substr(i, 3))];
    }
  }
  num_cuttable_ = phrases_.size();
  phrases_.insert(phrases_.end(), others.begin(), others.end());

  std::vector<std::pair<std::size_t, std::string>> common;
  for (const auto& [character, count] : frequency) {
    if (is_ideograph(character) && inner_tokens(character) == 1)
      common.emplace_back(count, character);
  }
  std::sort(common.begin(), common.end(), std::greater<>());
  if (common.size() < kCharacters || num_cuttable_ == 0) {
    return Error{Code::kInvalidArgument,
                 "the model's vocabulary lacks common Chinese characters: no texts can be made"};
  }
  for (std::size_t i = 0; i < kCharacters; ++i) characters_.push_back(common[i].second);
  bare_repost_tokens_ = inner_tokens(kBareRepost) + 2;
  return {};
}

TextMaker::Drawn TextMaker::draw(std::uint64_t index, Random& random) const noexcept {
  double chance = random.unit();
  if ((chance -= duplicates_.empty) < 0) return {Kind::kEmpty, index};
  if ((chance -= duplicates_.bare_repost) < 0) return {Kind::kBareRepost, index};
  if ((chance -= duplicates_.repeat) >= 0 || index == 0) return {Kind::kFresh, index};
  const auto distance =
      static_cast<std::uint64_t>(std::exp(random.unit() * std::log(kRepeatDistanceMax)));
  return {Kind::kRepeat, index - std::min(index, std::max<std::uint64_t>(distance, 1))};
}

std::uint32_t TextMaker::append(std::uint64_t index, std::string& out) const {
  Random random = random_of(index);
  Drawn drawn = draw(index, random);
  // What it repeats may be empty or a repeat itself: then the nearest before that is not.
  while (drawn.kind == Kind::kRepeat) {
    index = drawn.source;
    random = random_of(index);
    drawn = draw(index, random);
    while (drawn.kind != Kind::kFresh && drawn.kind != Kind::kRepeat && index > 0) {
      random = random_of(--index);
      drawn = draw(index, random);
    }
  }
  switch (drawn.kind) {
    case Kind::kEmpty:
      return 0;
    case Kind::kBareRepost:
      out += kBareRepost;
      return bare_repost_tokens_;
    default:
      return append_fresh(index, random, out);
  }
}

std::uint32_t TextMaker::append_fresh(std::uint64_t index, Random& random, std::string& out) const {
  const std::uint32_t tokens = lengths_.draw(random);
  std::uint32_t left = tokens - 2 - kMentionTokens;
  // Spread over all combinations, so that neighbours do not look alike; odd, hence one to one.
  const std::uint64_t name = index * 0x9E3779B1ULL + seed_;
  out += '@';
  out += characters_[name % kCharacters];
  out += characters_[(name / kCharacters) % kCharacters];
  out += characters_[(name / kCharacters / kCharacters) % kCharacters];
  out += ' ';
  for (int misses = 0; left > 0;) {
    const bool any = misses < kTriesMax;
    const auto choices = static_cast<std::uint32_t>(any ? phrases_.size() : num_cuttable_);
    const std::uint32_t chosen = random.below(choices);
    const Phrase& phrase = phrases_[chosen];
    if (phrase.tokens <= left) {
      out += bytes(phrase);
      left -= phrase.tokens;
    } else if (chosen < num_cuttable_) {
      out += bytes(phrase).substr(0, std::size_t{left} * 3);
      left = 0;
    } else {
      ++misses;
    }
  }
  return tokens;
}

MadePost TextMaker::sender(std::uint64_t index) const {
  Random random(seed_ + mix_bits(~index));
  const double spread = random.unit();
  MadePost post;
  // A few write much: the cube puts half of the posts with an eighth of the authors.
  post.author = static_cast<std::uint32_t>(spread * spread * spread * Population::kNumAuthors);
  const auto all = regions();
  post.region = all[post.author % all.size()].name;
  return post;
}

}  // namespace tidewatch
