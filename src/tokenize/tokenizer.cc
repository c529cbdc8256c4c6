// SPDX-License-Identifier: Apache-2.0
#include "tokenize/tokenizer.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "tokenize/unicode_tables.h"
#include "tokenize/utf8.h"
#include "tokenize/vocabulary_tables.h"

namespace tidewatch {
namespace {

constexpr std::size_t kWordCharactersMax = 100;  // the reference's; a longer word is one [UNK]
constexpr std::size_t kAppendBytesMax = 12;      // three characters of four bytes

// The word being read, normalised. Keeps at most kWordCharactersMax characters; past that it only
// knows that it is too long.
class Word {
 public:
  bool empty() const { return num_characters_ == 0; }
  bool too_long() const { return num_characters_ > kWordCharactersMax; }
  const char* begin() const { return bytes_; }
  const char* end() const { return bytes_ + num_bytes_; }

  void clear() {
    num_bytes_ = 0;
    num_characters_ = 0;
    barrier_ = 0;
  }

  // Precondition: num_bytes <= kAppendBytesMax.
  void append(const char* bytes, std::size_t num_bytes, std::size_t num_characters) {
    if (too_long()) return;
    std::memcpy(bytes_ + num_bytes_, bytes, num_bytes);
    num_bytes_ += num_bytes;
    num_characters_ += num_characters;
  }

  // Keeps what stands before from being reordered with what comes.
  void set_barrier() { barrier_ = num_bytes_; }

  // Appends a combining character behind those of its rank or lower. `rank_of` tells the rank of
  // a code point, or a negative number when it is not a combining one. At most
  // kWordCharactersMax steps.
  template <typename RankOf>
  void insert_combining(const char* bytes, std::size_t num_bytes, std::int64_t rank,
                        RankOf rank_of) {
    if (too_long()) return;
    std::size_t at = num_bytes_;
    while (at > barrier_) {
      std::size_t previous = at - 1;
      while (utf8::is_continuation(static_cast<unsigned char>(bytes_[previous]))) --previous;
      std::size_t length = 0;
      const auto* const raw = reinterpret_cast<const unsigned char*>(bytes_);
      if (rank_of(utf8::decode(raw + previous, raw + at, length)) <= rank) break;
      at = previous;
    }
    std::memmove(bytes_ + at + num_bytes, bytes_ + at, num_bytes_ - at);
    std::memcpy(bytes_ + at, bytes, num_bytes);
    num_bytes_ += num_bytes;
    ++num_characters_;
  }

 private:
  std::size_t num_bytes_ = 0;
  std::size_t num_characters_ = 0;
  std::size_t barrier_ = 0;
  char bytes_[kWordCharactersMax * 4 + kAppendBytesMax];
};

// Where the ids go: room for a bounded number of them.
class Output {
 public:
  Output(std::int32_t* begin, std::int32_t* end) : next_(begin), end_(end) {}
  bool full() const { return next_ == end_; }
  std::int32_t* next() const { return next_; }

  // Precondition: !full().
  void push(std::int32_t id) {
    assert(!full());
    *next_++ = id;
  }

  // Takes as many as fit.
  void push(const std::int32_t* ids, std::size_t count) {
    const std::size_t fitting = std::min(count, static_cast<std::size_t>(end_ - next_));
    next_ = std::copy_n(ids, fitting, next_);
  }

 private:
  std::int32_t* next_;
  std::int32_t* end_;
};

// Splits [begin, end) into the longest tokens from the left, or gives [UNK] when that fails.
// Precondition: the word is not empty and has at most kWordCharactersMax characters.
void push_pieces(const WordTrie& trie, std::int32_t unknown, const char* begin, const char* end,
                 Output& output) {
  WordTrie::Match match = trie.longest(trie.start_root(), begin, end);
  if (begin + match.length == end) return output.push(match.id);
  std::int32_t pieces[kWordCharactersMax];
  std::size_t count = 0;
  while (match.id != WordTrie::kNone) {
    pieces[count++] = match.id;
    begin += match.length;
    if (begin == end) return output.push(pieces, count);
    match = trie.longest(trie.continuation_root(), begin, end);
  }
  output.push(unknown);
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const Vocabulary> vocabulary, TokenizerOptions options)
    : vocabulary_(std::move(vocabulary)), options_(options) {
  assert(vocabulary_ != nullptr);
  assert(options_.tokens_max >= 2);
}

std::size_t Tokenizer::encode(std::string_view text, std::span<std::int32_t> ids) const noexcept {
  assert(ids.size() >= options_.tokens_max);
  const Vocabulary::Tables& tables = *vocabulary_->tables_;
  const std::size_t room = std::min<std::size_t>(ids.size(), options_.tokens_max);
  if (room < 2) return 0;  // a broken precondition; keeps the memory whole
  Output output(ids.data() + 1, ids.data() + room - 1);
  ids[0] = tables.cls;

  Word word;
  const auto end_word = [&] {
    if (word.empty()) return;
    if (word.too_long()) {
      output.push(tables.unknown);
    } else {
      push_pieces(tables.trie, tables.unknown, word.begin(), word.end(), output);
    }
    word.clear();
  };
  const auto rank_of = [&tables](std::uint32_t code_point) {
    const Step step = tables.step(code_point);
    return step.action() == Step::kCombining ? std::int64_t{step.argument()} : -1;
  };

  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end && !output.full()) {
    std::size_t length = 0;
    const std::uint32_t code_point = utf8::decode(at, end, length);
    const auto* const bytes = reinterpret_cast<const char*>(at);
    at += length;
    if (code_point == utf8::kInvalid) continue;  // U+FFFD, which is removed
    const Step step = tables.step(code_point);
    switch (step.action()) {
      case Step::kRemove:
        break;
      case Step::kBarrier:
        word.set_barrier();
        break;
      case Step::kSpace:
        end_word();
        break;
      case Step::kSingle: {
        end_word();
        if (output.full()) break;
        auto id = static_cast<std::int32_t>(step.argument());
        if (code_point == '[') {
          const std::string_view rest(bytes, static_cast<std::size_t>(end - at) + 1);
          for (const auto& [token, special] : tables.specials) {
            if (rest.starts_with(token)) {
              id = special;
              at += token.size() - 1;
              break;
            }
          }
        }
        output.push(id);
        break;
      }
      case Step::kLetter:
        word.append(bytes, length, 1);
        break;
      case Step::kReplaced: {
        const ReplacementText& replacement = tables.replacements[step.argument()];
        word.append(replacement.bytes.data(), replacement.num_bytes, replacement.num_characters);
        break;
      }
      case Step::kCombining:
        word.insert_combining(bytes, length, step.argument(), rank_of);
        break;
      case Step::kHangul: {
        char32_t jamo[3];
        char buffer[kAppendBytesMax];
        const std::size_t count = unicode::decompose_hangul(code_point, jamo);
        for (std::size_t i = 0; i < count; ++i) utf8::encode(jamo[i], buffer + 3 * i);
        word.append(buffer, 3 * count, count);
        break;
      }
    }
  }
  if (!output.full()) end_word();
  *output.next() = tables.sep;
  return static_cast<std::size_t>(output.next() - ids.data()) + 1;
}

}  // namespace tidewatch
