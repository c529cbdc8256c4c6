// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "tokenize/tokenizer.h"
#include "tokenize/unicode_tables.h"
#include "tokenize/utf8.h"
#include "tokenize/vocabulary_tables.h"

namespace tidewatch {
namespace {

constexpr std::size_t kTokensMax = 1U << 20;
constexpr std::size_t kFileBytesMax = 32U << 20;
constexpr std::size_t kWordCharactersMax = 100;  // a longer word is [UNK], whatever the tokens
constexpr std::string_view kContinuation = "##";
constexpr std::string_view kRequired[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};

Error invalid(const std::filesystem::path& path, std::size_t line, std::string_view what,
              std::string_view remedy) {
  std::string message = path.string();
  if (line != 0) message += ":" + std::to_string(line);
  message.append(": ").append(what).append("; ").append(remedy);
  return {Code::kInvalidArgument, std::move(message)};
}

// Calls `visit(code_point)` for each one; false when `text` is not UTF-8.
template <typename Visit>
bool for_each_code_point(std::string_view text, Visit visit) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    std::size_t length = 0;
    const std::uint32_t code_point = utf8::decode(at, end, length);
    if (code_point == utf8::kInvalid) return false;
    visit(code_point);
    at += length;
  }
  return true;
}

Result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  if (failure) {
    return Error{Code::kNotFound, path.string() + ": cannot read the vocabulary (" +
                                      failure.message() + "); give the path of a vocab.txt"};
  }
  if (size > kFileBytesMax) {
    return invalid(path, 0, "the file is larger than 32 MiB", "give a vocab.txt, one token a line");
  }
  std::string content(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(content.data(), static_cast<std::streamsize>(size))) {
    return Error{Code::kNotFound, path.string() +
                                      ": cannot read the vocabulary; check that the "
                                      "file may be read"};
  }
  return content;
}

Result<std::vector<std::string>> parse(const std::filesystem::path& path,
                                       std::string_view content) {
  if (content.empty()) {
    return invalid(path, 0, "the vocabulary is empty",
                   "use the vocab.txt that the model was trained with");
  }
  std::vector<std::string> tokens;
  std::unordered_map<std::string_view, std::size_t> lines;  // views into `content`
  while (!content.empty()) {
    const std::size_t line = tokens.size() + 1;
    const std::size_t newline = std::min(content.find('\n'), content.size());
    std::string_view token = content.substr(0, newline);
    content.remove_prefix(std::min(newline + 1, content.size()));
    if (token.ends_with('\r')) token.remove_suffix(1);
    if (line > kTokensMax) {
      return invalid(path, line, "more than 1048576 tokens", "give a vocab.txt, one token a line");
    }
    if (token.empty()) {
      return invalid(path, line, "the line is empty",
                     "ids are line numbers, so put the missing token back");
    }
    if (!for_each_code_point(token, [](std::uint32_t) {})) {
      return invalid(path, line, "the line is not UTF-8", "save the file as UTF-8");
    }
    if (const auto [first, fresh] = lines.emplace(token, line); !fresh) {
      return invalid(path, line,
                     "the token '" + std::string(token) + "' stands already on line " +
                         std::to_string(first->second),
                     "ids are line numbers, so restore the file that the model was trained with");
    }
    tokens.emplace_back(token);
  }
  for (const std::string_view token : kRequired) {
    if (!lines.contains(token)) {
      return invalid(path, 0, "the token " + std::string(token) + " is missing",
                     "use the vocab.txt of a BERT model");
    }
  }
  return tokens;
}

ReplacementText text_of(std::span<const char32_t> characters) {
  ReplacementText text;
  for (const char32_t character : characters) {
    if (character == 0) break;
    text.num_bytes = static_cast<std::uint8_t>(
        text.num_bytes + utf8::encode(character, text.bytes.data() + text.num_bytes));
    ++text.num_characters;
  }
  return text;
}

}  // namespace

Vocabulary::Tables::Tables(std::vector<std::string> tokens_in_order)
    : tokens(std::move(tokens_in_order)) {
  ids.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    ids.emplace(tokens[i], static_cast<std::int32_t>(i));
  }
  find_specials();
  build_steps();
  build_trie();
}

void Vocabulary::Tables::find_specials() {
  pad = find("[PAD]");
  unknown = find("[UNK]");
  cls = find("[CLS]");
  sep = find("[SEP]");
  for (const std::string_view token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    if (const std::int32_t token_id = find(token); token_id >= 0) {
      specials.emplace_back(token, token_id);
    }
  }
}

void Vocabulary::Tables::build_steps() {
  std::vector<Step> steps(unicode::kCodePointEnd, Step(Step::kLetter, 0));
  const auto single = [this](std::span<const char32_t> characters) {
    const ReplacementText text = text_of(characters);
    const std::int32_t token_id = find({text.bytes.data(), text.num_bytes});
    return Step(Step::kSingle, static_cast<std::uint32_t>(token_id < 0 ? unknown : token_id));
  };
  for (const auto& [first, last, kind] : unicode::kCodePointRanges) {
    for (std::uint32_t c = first; c <= last; ++c) {
      switch (kind) {
        case unicode::Kind::kRemove:
          steps[c] = Step(Step::kRemove, 0);
          break;
        case unicode::Kind::kBarrier:
          steps[c] = Step(Step::kBarrier, 0);
          break;
        case unicode::Kind::kSpace:
          steps[c] = Step(Step::kSpace, 0);
          break;
        case unicode::Kind::kSingle: {
          const char32_t itself[] = {c};
          steps[c] = single(itself);
          break;
        }
        case unicode::Kind::kLetter:
          break;
      }
    }
  }
  for (const auto& [code_point, rank] : unicode::kCombiningCharacters) {
    steps[code_point] = Step(Step::kCombining, rank);
  }
  for (std::uint32_t c = unicode::kHangulFirst; c <= unicode::kHangulLast; ++c) {
    steps[c] = Step(Step::kHangul, 0);
  }
  for (const auto& [code_point, to] : unicode::kReplacements) {
    if (steps[code_point].action() == Step::kSingle) {
      steps[code_point] = single(to);
      continue;
    }
    steps[code_point] = Step(Step::kReplaced, static_cast<std::uint32_t>(replacements.size()));
    replacements.push_back(text_of(to));
  }

  std::copy_n(steps.begin(), steps_bmp.size(), steps_bmp.begin());
  std::map<std::vector<std::uint64_t>, std::uint16_t> known;
  for (std::size_t begin = steps_bmp.size(); begin < steps.size(); begin += kPageSize) {
    std::vector<std::uint64_t> content;
    for (std::size_t i = begin; i < begin + kPageSize; ++i) {
      content.push_back(std::uint64_t{steps[i].argument()} << 3 | steps[i].action());
    }
    const auto [page, fresh] =
        known.emplace(std::move(content), static_cast<std::uint16_t>(known.size()));
    if (fresh) {
      steps_page.insert(steps_page.end(), steps.begin() + static_cast<std::ptrdiff_t>(begin),
                        steps.begin() + static_cast<std::ptrdiff_t>(begin + kPageSize));
    }
    pages.push_back(page->second);
  }
}

// Leaves out the tokens that no word can hold, which are most: a word's characters are what is left
// after replacing, and ideographs and punctuation never join one. Keeps the trie in the cache.
void Vocabulary::Tables::build_trie() {
  std::vector<std::pair<std::string, std::int32_t>> starts;
  std::vector<std::pair<std::string, std::int32_t>> continuations;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool continues = tokens[i].starts_with(kContinuation);
    const std::string text = continues ? tokens[i].substr(kContinuation.size()) : tokens[i];
    bool in_word = !text.empty();
    std::size_t num_characters = 0;
    for_each_code_point(text, [&](std::uint32_t code_point) {
      const Step::Action action = step(code_point).action();
      in_word = in_word && (action == Step::kLetter || action == Step::kCombining);
      ++num_characters;
    });
    if (!in_word || num_characters > kWordCharactersMax) continue;
    (continues ? continuations : starts).emplace_back(text, static_cast<std::int32_t>(i));
  }
  trie = WordTrie(std::move(starts), std::move(continuations));
}

Result<std::shared_ptr<const Vocabulary>> Vocabulary::load(const std::filesystem::path& path) {
  TRY_ASSIGN(const std::string content, read_file(path));
  TRY_ASSIGN(std::vector<std::string> tokens, parse(path, content));
  return std::shared_ptr<const Vocabulary>(
      new Vocabulary(std::make_unique<const Tables>(std::move(tokens))));
}

Vocabulary::Vocabulary(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Vocabulary::~Vocabulary() = default;

std::size_t Vocabulary::size() const noexcept { return tables_->tokens.size(); }

std::optional<std::int32_t> Vocabulary::id(std::string_view token) const noexcept {
  const std::int32_t found = tables_->find(token);
  return found < 0 ? std::nullopt : std::optional(found);
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const noexcept {
  if (id < 0 || static_cast<std::size_t>(id) >= size()) return std::nullopt;
  return tables_->tokens[static_cast<std::size_t>(id)];
}

std::int32_t Vocabulary::pad_id() const noexcept { return tables_->pad; }
std::int32_t Vocabulary::unknown_id() const noexcept { return tables_->unknown; }
std::int32_t Vocabulary::cls_id() const noexcept { return tables_->cls; }
std::int32_t Vocabulary::sep_id() const noexcept { return tables_->sep; }

}  // namespace tidewatch
