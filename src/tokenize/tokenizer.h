// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

struct TokenizerOptions {
  std::uint32_t tokens_max = 512;  // including [CLS] and [SEP]; at least 2
};

// A WordPiece vocabulary: the lines of a vocab.txt, a token's id being its line number from 0.
// Threads: immutable once loaded; every member may be called concurrently.
// Bounds: 1,048,576 tokens, 32 MiB of file.
class Vocabulary {
 public:
  // Reads `path`, one token a line, UTF-8. A final line break does not make a token.
  // Errors: kNotFound when the file cannot be read; kInvalidArgument, with file, line and remedy,
  // when it is empty or too large, names a token twice, has a line that is empty or not UTF-8, or
  // lacks [PAD], [UNK], [CLS] or [SEP]. [MASK] may be missing: then it is plain text.
  static Result<std::shared_ptr<const Vocabulary>> load(const std::filesystem::path& path);

  ~Vocabulary();
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  std::size_t size() const noexcept;

  // The id of an exact token as it stands in the file ("##" of a continuation included).
  std::optional<std::int32_t> id(std::string_view token) const noexcept;

  // The token of `id`, or nothing when there is none. Valid as long as the vocabulary.
  std::optional<std::string_view> token(std::int32_t id) const noexcept;

  std::int32_t pad_id() const noexcept;
  std::int32_t unknown_id() const noexcept;
  std::int32_t cls_id() const noexcept;
  std::int32_t sep_id() const noexcept;

 private:
  friend class Tokenizer;
  struct Tables;
  explicit Vocabulary(std::unique_ptr<const Tables> tables);
  const std::unique_ptr<const Tables> tables_;
};

// Turns a post's text into token ids exactly as Hugging Face's BertTokenizer(do_lower_case=True)
// with truncation to `tokens_max` does; tests/tokenize_parity/README.md names the versions.
// A literal [UNK], [SEP], [PAD], [CLS] or [MASK] in the text is that special token, as there.
//
// Ownership: shares the vocabulary. Copies are cheap and independent.
// Threads: immutable; encode may be called concurrently.
class Tokenizer {
 public:
  // Precondition: `vocabulary` is not null, options.tokens_max >= 2.
  Tokenizer(std::shared_ptr<const Vocabulary> vocabulary, TokenizerOptions options);

  // Writes [CLS] … [SEP] into `ids` and returns how many were written: 2 to tokens_max.
  // Precondition: ids.size() >= tokens_max; what lies behind the returned length is unspecified.
  // Input may be any bytes: a maximal invalid part of UTF-8 reads as one U+FFFD, as Python's
  // errors="replace" does. Never fails, never allocates. Work is linear in the bytes read; reading
  // stops once tokens_max is reached.
  std::size_t encode(std::string_view text, std::span<std::int32_t> ids) const noexcept;

  const Vocabulary& vocabulary() const noexcept { return *vocabulary_; }
  std::uint32_t tokens_max() const noexcept { return options_.tokens_max; }

 private:
  std::shared_ptr<const Vocabulary> vocabulary_;
  TokenizerOptions options_;
};

}  // namespace tidewatch
