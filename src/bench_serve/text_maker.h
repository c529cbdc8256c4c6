// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench_serve/text_lengths.h"
#include "core/result.h"
#include "simulate/people.h"
#include "simulate/random.h"
#include "tokenize/tokenizer.h"

namespace tidewatch {

// How often a post repeats. Measured in the 954,813 CED reposts: 40.0 % empty, 0.3 % 转发微博, 15.3
// % an exact repeat of an earlier text, the distance to it log-uniform from 1 to 100,000 posts.
struct DuplicateMix {
  double empty = 0;
  double bare_repost = 0;  // 转发微博
  double repeat = 0;
  static DuplicateMix none() { return {}; }
  static DuplicateMix ced() { return {0.400, 0.003, 0.153}; }
};

struct TextMakerOptions {
  TextLengthOptions lengths;
  DuplicateMix duplicates;
  std::uint64_t seed = 1;
};

// What a post says of its sender, besides its text. `region` lives as long as the program.
struct MadePost {
  std::uint32_t author = 0;  // below Population::kNumAuthors
  std::string_view region;
};

// Makes the texts of a load: phrases of the simulator's grammar strung together to an exact number
// of tokens, each text opened by a mention of its own ("@某某某 "), so that no two are equal unless
// asked for. Post number i depends on the seed and i alone: nothing is kept per post, and any
// thread can make any post again. Costs some 0.2 us a post.
//
// Ownership: keeps its phrases; the tokenizer is used by create() alone. Threads: immutable.
// Bound: distinct for the first 2^27 posts of a seed. Errors (create): kInvalidArgument when the
// vocabulary lacks the common characters.
class TextMaker {
 public:
  static Result<TextMaker> create(const Tokenizer& tokenizer, const TextMakerOptions& options);

  // Appends the text of post `index`; its length in tokens (0 for an empty text) is returned.
  std::uint32_t append(std::uint64_t index, std::string& out) const;
  MadePost sender(std::uint64_t index) const;

  const TextLengths& lengths() const noexcept { return lengths_; }
  std::size_t num_phrases() const noexcept { return phrases_.size(); }

 private:
  enum class Kind : std::uint8_t { kFresh, kEmpty, kBareRepost, kRepeat };
  struct Phrase {
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    std::uint32_t tokens = 0;
  };
  struct Drawn {
    Kind kind = Kind::kFresh;
    std::uint64_t source = 0;  // of a repeat: the post that it repeats
  };

  explicit TextMaker(const TextMakerOptions& options);
  Status collect(const Tokenizer& tokenizer);
  Random random_of(std::uint64_t index) const noexcept { return Random(seed_ ^ mix_bits(index)); }
  Drawn draw(std::uint64_t index, Random& random) const noexcept;
  std::uint32_t append_fresh(std::uint64_t index, Random& random, std::string& out) const;
  std::string_view bytes(const Phrase& phrase) const noexcept {
    return std::string_view(material_).substr(phrase.offset, phrase.bytes);
  }

  TextLengths lengths_;
  DuplicateMix duplicates_;
  std::uint64_t seed_ = 0;
  std::string material_;
  std::vector<Phrase> phrases_;          // those that may be cut come first
  std::size_t num_cuttable_ = 0;         // every character of these is 3 bytes and one token
  std::vector<std::string> characters_;  // common ones, 2^k of them, for the mentions
  std::uint32_t bare_repost_tokens_ = 0;
};

}  // namespace tidewatch
