// SPDX-License-Identifier: Apache-2.0
#include "detect/text_sketch.h"

#include <xxhash.h>

#include <algorithm>

#include "aggregate/terms.h"

namespace tidewatch {
namespace {

constexpr std::size_t kTextBytesMax = 2'048;
constexpr std::size_t kEmoticonBytesMax = 32;
constexpr std::string_view kNameEnds = " \t\r\n:,.!?;/@#()[]\"'";
constexpr std::string_view kWideNameEnds[] = {"：", "，", "。", "！", "？", "　", "、"};

// An odd multiplier and a summand for each minimum: multiply-shift hashing (M. Dietzfelbinger et
// al., J. Algorithms 25, 1997). Drawn once from a splitmix64 sequence, so that they never change.
constexpr std::array<std::uint64_t, 2 * kMinima> make_constants() {
  std::array<std::uint64_t, 2 * kMinima> constants{};
  std::uint64_t state = 0x7469646577617463;
  for (std::uint64_t& constant : constants) {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    constant = (z ^ (z >> 31)) | 1;
  }
  return constants;
}
constexpr auto kConstants = make_constants();

std::uint32_t minimum_of(std::uint64_t pair, std::size_t k) {
  return static_cast<std::uint32_t>((pair * kConstants[2 * k] + kConstants[2 * k + 1]) >> 32);
}

bool ends_name(std::string_view rest) {
  if (kNameEnds.find(rest.front()) != std::string_view::npos) return true;
  return std::any_of(std::begin(kWideNameEnds), std::end(kWideNameEnds),
                     [&](std::string_view end) { return rest.starts_with(end); });
}

// The bytes of what is to be left out at the beginning of `rest`; 0: nothing.
std::size_t left_out(std::string_view rest) {
  if (rest.front() == '@') {
    std::size_t end = 1;
    while (end < rest.size() && !ends_name(rest.substr(end))) ++end;
    return end;
  }
  if (rest.starts_with("http://") || rest.starts_with("https://")) {
    std::size_t end = 7;
    while (end < rest.size() && rest[end] > ' ' && rest[end] < 0x7F) ++end;
    return end;
  }
  if (rest.front() == '[') {
    const std::size_t end = rest.substr(0, kEmoticonBytesMax).find(']');
    return end == std::string_view::npos ? 0 : end + 1;
  }
  return 0;
}

}  // namespace

void clean_text(std::string_view text, std::string& out) {
  text = cut_at_character(text, kTextBytesMax);
  text = text.substr(0, text.find("//@"));
  out.clear();
  while (!text.empty()) {
    const std::size_t skipped = left_out(text);
    out += skipped == 0 ? text.front() : ' ';
    text.remove_prefix(std::max<std::size_t>(skipped, 1));
  }
}

std::optional<TextSketch> TextSketcher::sketch(std::string_view text, std::string_view repost_of) {
  clean_text(text, cleaned_);
  fold_text(cleaned_, folded_);
  TextSketch minima;
  minima.fill(0xFFFFFFFF);
  std::uint64_t before = 0, whole = XXH3_64bits(repost_of.data(), repost_of.size());
  units_ = 0;
  for (std::size_t i = 0; i < folded_.units.size(); ++i) {
    if (folded_.units[i].kind == UnitKind::kPictograph) continue;
    const std::string_view unit = folded_.unit(i);
    const std::uint64_t hash = XXH3_64bits(unit.data(), unit.size());
    whole = (whole ^ hash) * 0x9E3779B97F4A7C15;
    if (units_++ > 0) {
      const std::uint64_t pair = before * 0x9E3779B97F4A7C15 ^ hash;
      for (std::size_t k = 0; k < kMinima; ++k)
        minima[k] = std::min(minima[k], minimum_of(pair, k));
    }
    before = hash;
  }
  if (units_ == 0) return std::nullopt;
  if (units_ >= kSketchUnitsMin) return minima;
  for (std::size_t k = 0; k < kMinima; ++k) minima[k] = minimum_of(whole ^ whole >> 32, k);
  return minima;
}

std::string TextSketcher::folded() const {
  std::string text;
  for (std::size_t i = 0; i < folded_.units.size(); ++i) {
    if (folded_.units[i].kind != UnitKind::kPictograph) text += folded_.unit(i);
  }
  return text;
}

std::size_t equal_minima(const TextSketch& a, const TextSketch& b) {
  std::size_t equal = 0;
  for (std::size_t k = 0; k < kMinima; ++k) equal += a[k] == b[k];
  return equal;
}

}  // namespace tidewatch
