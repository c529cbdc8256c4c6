// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/calibration_set.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::size_t kTermBytesMax = 1U << 20;
constexpr std::size_t kPoolFactor = 4;
constexpr std::size_t kSpecialStrata = 7;
constexpr std::size_t kLatinLettersMin = 4;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// The code point at `at`, and past it. Bytes that are not UTF-8 read as themselves.
char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  char32_t code = more == 0 ? first : first & (0x3FU >> more);
  for (std::size_t i = 1; i <= more; ++i) code = code << 6 | (byte(at + i) & 0x3FU);
  at += 1 + more;
  return code;
}

bool is_emoji(char32_t c) {
  return (c >= 0x1F000 && c <= 0x1FAFF) || (c >= 0x2600 && c <= 0x27BF) || c == 0xFE0F ||
         c == 0x20E3;
}

// Characters that Chinese texts hold in kaomoji only.
bool is_kaomoji(char32_t c) {
  constexpr std::u32string_view kOnes = U"ωДд∀≧≦╯╰╥ಥಠ┻┳︶︿︵ノヽヾ´◡•̀ᴗ▽";
  return kOnes.find(c) != std::u32string_view::npos;
}

// [心], [doge]: one to five characters in brackets, none of them a digit. Looks no farther than
// they can reach, so that a text of brackets takes linear time.
bool has_bracket_emoticon(std::string_view text) {
  constexpr std::size_t kBytesMax = 5 * 4 + 1;  // five characters and the bracket
  for (std::size_t open = text.find('['); open != std::string_view::npos;
       open = text.find('[', open + 1)) {
    std::string_view inside = text.substr(open + 1, kBytesMax);
    const std::size_t close = inside.find(']');
    if (close == std::string_view::npos) continue;
    inside = inside.substr(0, close);
    std::size_t characters = 0;
    bool plain = true;
    for (std::size_t at = 0; at < inside.size();) {
      const char32_t c = next_code_point(inside, at);
      ++characters;
      plain = plain &&
              ((c >= 0x4E00 && c <= 0x9FFF) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
    }
    if (plain && characters >= 1 && characters <= 5) return true;
  }
  return false;
}

bool has_emoji(std::string_view text) {
  for (const char* face : {"^_^", "T_T", "T T", "QAQ", "orz", ":)", ":(", ":-)", "=_=", ">_<"}) {
    if (text.find(face) != std::string_view::npos) return true;
  }
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (is_emoji(c) || is_kaomoji(c)) return true;
  }
  return has_bracket_emoticon(text);
}

bool is_latin(std::string_view text) {
  std::size_t letters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("http")) {  // an address goes on to the next space or character
      while (i < text.size() && static_cast<unsigned char>(text[i]) > ' ' &&
             static_cast<unsigned char>(text[i]) < 0x80) {
        ++i;
      }
      continue;
    }
    const auto c = static_cast<char>(text[i] | 0x20);
    letters += c >= 'a' && c <= 'z' ? 1 : 0;
  }
  return letters >= kLatinLettersMin;
}

Stratum first_of(StratumSet strata) { return static_cast<Stratum>(std::countr_zero(strata)); }

// How many each stratum gives, of those there are, so that `size` come together by weight.
std::array<std::size_t, kStrata> quotas(const std::array<std::size_t, kStrata>& there,
                                        std::size_t size) {
  std::array<std::size_t, kStrata> quota{};
  const auto weight = [](std::size_t i) {
    if (i == 0) return 0.4;  // slang: enough of it to be judged by itself
    return i < kSpecialStrata ? 0.6 / static_cast<double>(kSpecialStrata - 1)
                              : 1.0 / static_cast<double>(kStrata - kSpecialStrata);
  };
  // Fills strata up in the order of how soon they run dry, sharing what is left by weight.
  std::array<std::size_t, kStrata> order{};
  for (std::size_t i = 0; i < kStrata; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return static_cast<double>(there[a]) / weight(a) < static_cast<double>(there[b]) / weight(b);
  });
  double weight_left = 2.0;
  std::size_t left = size;
  for (const std::size_t i : order) {
    const double share = static_cast<double>(left) * weight(i) / weight_left;
    quota[i] = std::min(there[i], static_cast<std::size_t>(std::lround(share)));
    left -= quota[i];
    weight_left -= weight(i);
  }
  return quota;
}

}  // namespace

std::string_view stratum_name(Stratum stratum) noexcept {
  constexpr std::array<std::string_view, kStrata> kNames{
      "slang", "dialect", "rare tokens", "very long", "very short",
      "emoji", "latin",   "short",       "medium",    "long"};
  return kNames[static_cast<std::size_t>(stratum)];
}

TermList TermList::of(const std::vector<std::string>& terms) {
  TermList list;
  for (const std::string& term : terms) {
    if (term.size() < 2) continue;
    std::string lowered = lower(term);
    std::string start = lowered.substr(0, 2);
    list.by_start_[std::move(start)].push_back(std::move(lowered));
    ++list.size_;
  }
  return list;
}

Result<TermList> TermList::read(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return Error{Code::kNotFound, fmt::format("{}: cannot be read", file.string())};
  std::vector<std::string> terms;
  std::size_t bytes = 0;
  for (std::string line; std::getline(in, line);) {
    bytes += line.size() + 1;
    if (bytes > kTermBytesMax) {
      return Error{Code::kInvalidArgument,
                   fmt::format("{}: more than {} bytes", file.string(), kTermBytesMax)};
    }
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line.front() != '#') terms.push_back(std::move(line));
  }
  TermList list = of(terms);
  if (list.size() == 0) {
    return Error{Code::kInvalidArgument, fmt::format("{}: holds no term", file.string())};
  }
  return list;
}

bool TermList::occurs_in(std::string_view text) const {
  const std::string lowered = lower(text);
  const std::string_view all = lowered;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const auto it = by_start_.find(all.substr(i, 2));
    if (it == by_start_.end()) continue;
    for (const std::string& term : it->second) {
      if (!all.substr(i).starts_with(term)) continue;
      const std::size_t end = i + term.size();
      const bool joined_before = i > 0 && is_word(term.front()) && is_word(all[i - 1]);
      const bool joined_behind = end < all.size() && is_word(term.back()) && is_word(all[end]);
      if (!joined_before && !joined_behind) return true;
    }
  }
  return false;
}

StratumSet strata_of(std::string_view text, std::size_t tokens, const TermList& slang,
                     const TermList& dialect) {
  StratumSet strata = 0;
  const auto put = [&](Stratum stratum, bool holds) { strata |= holds ? bit_of(stratum) : 0; };
  put(Stratum::kSlang, slang.occurs_in(text));
  put(Stratum::kDialect, dialect.occurs_in(text));
  put(Stratum::kVeryLong, tokens >= 256);
  put(Stratum::kVeryShort, tokens <= 8);
  put(Stratum::kEmoji, has_emoji(text));
  put(Stratum::kLatin, is_latin(text));
  if (strata == 0) {
    put(tokens < 32 ? Stratum::kShort : tokens < 96 ? Stratum::kMedium : Stratum::kLong, true);
  }
  return strata;
}

CalibrationSampler::CalibrationSampler(const SampleOptions& options, std::size_t vocabulary_size)
    : options_(options), texts_with_(vocabulary_size), last_text_(vocabulary_size) {}

void CalibrationSampler::add(std::span<const std::int32_t> ids, StratumSet strata) {
  ++read_;
  for (const std::int32_t id : ids) {
    const auto token = static_cast<std::size_t>(id);
    if (last_text_[token] == read_) continue;
    last_text_[token] = read_;
    ++texts_with_[token];
  }
  for (std::size_t i = 0; i < kStrata; ++i) found_[i] += strata >> i & 1U;
  if (options_.exclude_slang && (strata & bit_of(Stratum::kSlang)) != 0) return;
  const std::uint64_t number = XXH3_64bits_withSeed(ids.data(), ids.size_bytes(), options_.seed);
  Pool& pool = pools_[static_cast<std::size_t>(first_of(strata))];
  const std::size_t pool_max = options_.size * kPoolFactor;
  if (pool.size() >= pool_max && number > pool.rbegin()->first) return;
  pool.try_emplace(number, SampledText{{ids.begin(), ids.end()}, strata});
  if (pool.size() > pool_max) pool.erase(std::prev(pool.end()));
}

// Texts kept that hold a rare token, and are of no rarer kind, move to that stratum.
void CalibrationSampler::find_rare_tokens() {
  const std::uint64_t rare_max = std::max<std::uint64_t>(3, read_ / 20'000);
  const auto is_rare = [&](std::int32_t id) {
    return texts_with_[static_cast<std::size_t>(id)] <= rare_max;
  };
  constexpr auto kRare = static_cast<std::size_t>(Stratum::kRareTokens);
  for (std::size_t i = 0; i < kStrata; ++i) {
    for (auto it = pools_[i].begin(); it != pools_[i].end();) {
      SampledText& text = it->second;
      const auto next = std::next(it);
      if (std::any_of(text.ids.begin(), text.ids.end(), is_rare)) {
        text.strata |= bit_of(Stratum::kRareTokens);
        ++found_[kRare];
        if (i > kRare) pools_[kRare].insert(pools_[i].extract(it));
      }
      it = next;
    }
  }
}

CalibrationSample CalibrationSampler::draw() {
  find_rare_tokens();
  std::array<std::size_t, kStrata> there{};
  for (std::size_t i = 0; i < kStrata; ++i) there[i] = pools_[i].size();
  const std::array<std::size_t, kStrata> quota = quotas(there, options_.size);
  Pool drawn;  // by number: neighbours have nothing in common
  for (std::size_t i = 0; i < kStrata; ++i) {
    for (std::size_t k = 0; k < quota[i]; ++k) drawn.insert(pools_[i].extract(pools_[i].begin()));
    pools_[i].clear();
  }
  CalibrationSample sample;
  sample.texts_read = read_;
  std::array<std::uint64_t, kStrata> drawn_of{};
  std::unordered_set<std::int32_t> tokens;
  for (auto& [number, text] : drawn) {
    for (std::size_t i = 0; i < kStrata; ++i) drawn_of[i] += text.strata >> i & 1U;
    tokens.insert(text.ids.begin(), text.ids.end());
    sample.texts.push_back(std::move(text));
  }
  for (std::size_t i = 0; i < kStrata; ++i) {
    sample.coverage.push_back(
        {std::string{stratum_name(static_cast<Stratum>(i))}, found_[i], drawn_of[i]});
  }
  const auto seen = std::count_if(texts_with_.begin(), texts_with_.end(),
                                  [](std::uint32_t texts) { return texts > 0; });
  if (seen > 0) {
    sample.vocabulary_share = static_cast<double>(tokens.size()) / static_cast<double>(seen);
  }
  return sample;
}

}  // namespace tidewatch
