// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/calibration/recipe.h"

namespace tidewatch {

// Kinds of text that a calibration set must hold. A text may be of several.
enum class Stratum : std::uint8_t {
  kSlang,       // an entry of slang.txt
  kDialect,     // an entry of dialect.txt
  kRareTokens,  // a token that few of the texts read hold
  kVeryLong,    // 256 tokens and more
  kVeryShort,   // at most 8 tokens, [CLS] and [SEP] not counted
  kEmoji,       // emoji, [心] and the like, kaomoji
  kLatin,       // four Latin letters and more, addresses apart
  kShort,       // whatever is left, by length: under 32 tokens,
  kMedium,      // under 96,
  kLong,        // under 256
};
inline constexpr std::size_t kStrata = 10;
std::string_view stratum_name(Stratum stratum) noexcept;

using StratumSet = std::uint32_t;  // bit i: stratum i
constexpr StratumSet bit_of(Stratum stratum) { return 1U << static_cast<unsigned>(stratum); }

// Words looked for in texts. Immutable once read; occurs_in may be called concurrently.
class TermList {
 public:
  // One term a line, UTF-8; lines that begin with "#" and empty ones say nothing. Bound: 1 MiB.
  // kNotFound; kInvalidArgument when it holds no term.
  static Result<TermList> read(const std::filesystem::path& file);
  static TermList of(const std::vector<std::string>& terms);

  // Whether `text` holds a term. Case of Latin letters does not matter. A term that begins (ends)
  // with a Latin letter or a digit is not found where another stands before (behind) it.
  bool occurs_in(std::string_view text) const;
  std::size_t size() const noexcept { return size_; }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> by_start_;  // by the first two bytes
  std::size_t size_ = 0;
};

// The strata that can be told from a text by itself: all but kRareTokens. `tokens` without [CLS]
// and [SEP].
StratumSet strata_of(std::string_view text, std::size_t tokens, const TermList& slang,
                     const TermList& dialect);

struct SampleOptions {
  std::size_t size = 2'000;
  std::uint64_t seed = 1;
  bool exclude_slang = false;  // an experiment: texts of the slang stratum are not drawn
};

struct SampledText {
  std::vector<std::int32_t> ids;  // [CLS] … [SEP]
  StratumSet strata = 0;
};

struct CalibrationSample {
  std::vector<SampledText> texts;         // in an order of no meaning
  std::vector<StratumCoverage> coverage;  // one for each stratum, in their order
  std::uint64_t texts_read = 0;
  double vocabulary_share = 0;  // of the tokens seen in all texts, the share seen in the set
};

// Draws a stratified sample from a stream of texts in one pass. Each text gets a number from a
// hash of its tokens and the seed; a stratum keeps the texts with the smallest. So the same text is
// drawn once at most, and the sample does not depend on the order of the stream.
// Half of the set goes to the seven special strata (four tenths of that to slang, the rest in equal
// parts), half to the three ordinary ones; what a stratum lacks goes to the others. A text stands
// for the first of its strata in the order of the enum, those of few texts first; rare tokens (in
// at most one text in 20,000, or three) are looked for among the texts kept. Threads: none. Bound:
// 4 x size texts of at most 512 ids for each stratum: 164 MB for 2,000.
class CalibrationSampler {
 public:
  CalibrationSampler(const SampleOptions& options, std::size_t vocabulary_size);

  // Precondition: ids are of the vocabulary.
  void add(std::span<const std::int32_t> ids, StratumSet strata);
  CalibrationSample draw();  // once; the sampler is then spent

 private:
  using Pool = std::map<std::uint64_t, SampledText>;  // by the text's number
  void find_rare_tokens();

  const SampleOptions options_;
  std::vector<std::uint32_t> texts_with_;  // by token
  std::vector<std::uint64_t> last_text_;   // by token: the last text that held it, from 1
  std::array<Pool, kStrata> pools_;
  std::array<std::uint64_t, kStrata> found_{};
  std::uint64_t read_ = 0;
};

}  // namespace tidewatch
