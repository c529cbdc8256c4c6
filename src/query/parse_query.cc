// SPDX-License-Identifier: Apache-2.0
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "query/query.h"
#include "query/regex.h"

namespace tidewatch {
namespace {

constexpr std::array<std::string_view, 5> kFieldNames{"topic", "region", "emotion", "source",
                                                      "author"};

enum class TokenKind : std::uint8_t {
  kEnd,
  kOpen,
  kClose,
  kAnd,
  kOr,
  kNot,
  kNear,
  kField,
  kWord,
  kPhrase,
  kRegex
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::uint32_t column = 1;
  std::string_view text;  // word, inside of a phrase or regex, name of a field
  QueryField field = QueryField::kTopic;
  std::uint32_t distance = kQueryDistanceDefault;
};

// What ends a word, and counts as an ASCII character that it looks like.
struct Mark {
  std::string_view bytes;
  char means;
};
constexpr std::array kMarks{Mark{"(", '('},      Mark{")", ')'},      Mark{"\uFF08", '('},
                            Mark{"\uFF09", ')'}, Mark{"\"", '"'},     Mark{"\u201C", '"'},
                            Mark{"\u201D", '"'}, Mark{"\uFF02", '"'}, Mark{"\u3000", ' '},
                            Mark{" ", ' '},      Mark{"\t", ' '},     Mark{"\n", ' '},
                            Mark{"\r", ' '},     Mark{"\v", ' '},     Mark{"\f", ' '}};

const Mark* mark_at(std::string_view text) {
  for (const Mark& mark : kMarks) {
    if (text.starts_with(mark.bytes)) return &mark;
  }
  return nullptr;
}

std::size_t starts_with_any(std::string_view text, std::initializer_list<std::string_view> marks) {
  for (const std::string_view mark : marks) {
    if (text.starts_with(mark)) return mark.size();
  }
  return 0;
}

std::optional<QueryField> parse_field(std::string_view name) {
  for (std::size_t i = 0; i < kFieldNames.size(); ++i) {
    const bool same =
        std::equal(name.begin(), name.end(), kFieldNames[i].begin(), kFieldNames[i].end(),
                   [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
    if (same) return static_cast<QueryField>(i);
  }
  return std::nullopt;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

class Lexer {
 public:
  explicit Lexer(std::string_view query) : query_(query) {}

  // False: `error` says why.
  bool next(Token& token, QueryError& error) {
    const Mark* mark = mark_at(rest());
    for (; mark != nullptr && mark->means == ' '; mark = mark_at(rest()))
      advance(mark->bytes.size());
    token = {};
    token.column = column_;
    if (rest().empty()) return true;
    if (mark != nullptr && mark->means != '"') {
      token.kind = mark->means == '(' ? TokenKind::kOpen : TokenKind::kClose;
      advance(mark->bytes.size());
      return true;
    }
    if (mark != nullptr) return read_phrase(token, mark->bytes.size(), error);
    if (rest().front() == '/') return read_regex(token, error);
    if (const std::size_t minus = starts_with_any(rest(), {"-", "\uFF0D"});
        minus > 0 && rest().size() > minus && !is_blank_at(minus)) {
      token.kind = TokenKind::kNot;
      advance(minus);
      return true;
    }
    return read_word(token, error);
  }

 private:
  std::string_view rest() const { return query_.substr(at_); }
  bool is_blank_at(std::size_t offset) const {
    const Mark* const mark = mark_at(rest().substr(offset));
    return mark != nullptr && mark->means == ' ';
  }

  void advance(std::size_t bytes) {
    for (; bytes > 0; --bytes, ++at_) {
      column_ += (static_cast<unsigned char>(query_[at_]) & 0xC0) != 0x80;
    }
  }

  bool read_phrase(Token& token, std::size_t quote_bytes, QueryError& error) {
    advance(quote_bytes);
    const std::size_t begin = at_;
    while (!rest().empty()) {
      const Mark* const mark = mark_at(rest());
      if (mark != nullptr && mark->means == '"') {
        token.kind = TokenKind::kPhrase;
        token.text = query_.substr(begin, at_ - begin);
        advance(mark->bytes.size());
        return true;
      }
      advance(1);
    }
    error = {token.column, "this quote is never closed", "write \" behind the phrase"};
    return false;
  }

  bool read_regex(Token& token, QueryError& error) {
    advance(1);
    const std::size_t begin = at_;
    while (!rest().empty() && rest().front() != '/') {
      advance(rest().front() == '\\' && rest().size() > 1 ? 2 : 1);
    }
    if (rest().empty()) {
      error = {token.column, "this regular expression is never closed",
               "write / behind it, or put the text in quotes if no expression is meant"};
      return false;
    }
    token.kind = TokenKind::kRegex;
    token.text = query_.substr(begin, at_ - begin);
    advance(1);
    return true;
  }

  bool read_word(Token& token, QueryError& error) {
    const std::size_t begin = at_;
    while (!rest().empty() && mark_at(rest()) == nullptr) {
      if (const std::size_t colon = starts_with_any(rest(), {":", "\uFF1A"});
          colon > 0 && is_name(query_.substr(begin, at_ - begin))) {
        return read_field(token, query_.substr(begin, at_ - begin), colon, error);
      }
      advance(1);
    }
    token.text = query_.substr(begin, at_ - begin);
    token.kind = TokenKind::kWord;
    if (token.text == "AND") token.kind = TokenKind::kAnd;
    if (token.text == "OR") token.kind = TokenKind::kOr;
    if (token.text == "NOT") token.kind = TokenKind::kNot;
    if (token.text == "NEAR" || token.text.starts_with("NEAR/")) return read_near(token, error);
    return true;
  }

  bool read_field(Token& token, std::string_view name, std::size_t colon, QueryError& error) {
    const auto field = parse_field(name);
    if (!field) {
      error = {token.column, "'" + std::string{name} + ":' is not a field",
               "fields are topic:, region:, emotion:, source: and author:; put the text in quotes "
               "to look for it as it is"};
      return false;
    }
    token.kind = TokenKind::kField;
    token.field = *field;
    advance(colon);
    return true;
  }

  static bool read_near(Token& token, QueryError& error) {
    token.kind = TokenKind::kNear;
    if (token.text == "NEAR") return true;
    const std::string_view digits = token.text.substr(5);
    const char* const end = digits.data() + digits.size();
    const auto [stop, code] = std::from_chars(digits.data(), end, token.distance);
    if (code == std::errc{} && stop == end && token.distance <= kQueryDistanceMax) return true;
    error = {token.column, "NEAR/ needs a number of words",
             "write NEAR/5, at most NEAR/" + std::to_string(kQueryDistanceMax)};
    return false;
  }

  std::string_view query_;
  std::size_t at_ = 0;
  std::uint32_t column_ = 1;
};

// Recursive descent; every member gives nothing when error_ is set.
class Parser {
 public:
  explicit Parser(std::string_view query) : lexer_(query) {}

  std::optional<QueryNode> parse() {
    if (!step()) return std::nullopt;
    if (token_.kind == TokenKind::kEnd) {
      return fail("the query is empty", "write a word to look for, for example 退款");
    }
    auto query = read_either(std::nullopt);
    if (!query) return std::nullopt;
    if (token_.kind == TokenKind::kEnd) return query;
    return fail("this ) closes nothing", "remove it, or write ( before what belongs together");
  }

  const QueryError& error() const { return error_; }

 private:
  using Node = std::optional<QueryNode>;
  using Field = std::optional<QueryField>;

  Node fail(std::string reason, std::string remedy) {
    return fail_at(token_.column, std::move(reason), std::move(remedy));
  }
  Node fail_at(std::uint32_t column, std::string reason, std::string remedy) {
    error_ = {column, std::move(reason), std::move(remedy)};
    return std::nullopt;
  }

  bool step() { return lexer_.next(token_, error_); }

  Node read_either(Field field) {
    if (++depth_ > kQueryDepthMax) {
      return fail("brackets stand more than " + std::to_string(kQueryDepthMax) + " deep",
                  "take some of them away, or make two rules of it");
    }
    Node result = read_list(QueryKind::kOr, field);
    --depth_;
    return result;
  }

  // A chain of `kind` (kOr: of kAnd chains); one link alone stands for itself.
  Node read_list(QueryKind kind, Field field) {
    QueryNode list;
    list.kind = kind;
    list.column = token_.column;
    while (true) {
      Node link = kind == QueryKind::kOr ? read_list(QueryKind::kAnd, field) : read_not(field);
      if (!link) return std::nullopt;
      if (link->kind == kind) {  // (a b) c is a b c
        for (QueryNode& child : link->children) list.children.push_back(std::move(child));
      } else {
        list.children.push_back(*std::move(link));
      }
      if (kind == QueryKind::kOr ? token_.kind == TokenKind::kOr : token_.kind == TokenKind::kAnd) {
        if (!step()) return std::nullopt;
      } else if (kind == QueryKind::kOr || !begins_leaf()) {
        break;
      }
    }
    if (list.children.size() > 1) return count(std::move(list));
    return std::move(list.children.front());
  }

  bool begins_leaf() const {
    return token_.kind == TokenKind::kOpen || token_.kind == TokenKind::kNot ||
           token_.kind == TokenKind::kField || token_.kind == TokenKind::kWord ||
           token_.kind == TokenKind::kPhrase || token_.kind == TokenKind::kRegex ||
           token_.kind == TokenKind::kNear;
  }

  Node read_not(Field field) {
    if (token_.kind != TokenKind::kNot) return read_leaf(field);
    QueryNode node;
    node.kind = QueryKind::kNot;
    node.column = token_.column;
    if (!step()) return std::nullopt;
    if (++depth_ > kQueryDepthMax) {
      return fail("too many NOT stand one after another", "two of them say nothing: remove them");
    }
    Node child = read_not(field);
    --depth_;
    if (!child) return std::nullopt;
    node.children.push_back(*std::move(child));
    return count(std::move(node));
  }

  Node read_leaf(Field field) {
    switch (token_.kind) {
      case TokenKind::kOpen: {
        const std::uint32_t column = token_.column;
        if (!step()) return std::nullopt;
        Node inner = read_either(field);
        if (!inner) return std::nullopt;
        if (token_.kind != TokenKind::kClose) {
          return fail_at(column, "this ( is never closed", "write ) behind what belongs together");
        }
        if (!step()) return std::nullopt;
        return refuse_near(std::move(inner));
      }
      case TokenKind::kField: {
        if (field) return fail("a field stands within a field", "write topic:a region:b");
        const QueryField own = token_.field;
        if (!step()) return std::nullopt;
        if (token_.kind != TokenKind::kWord && token_.kind != TokenKind::kPhrase &&
            token_.kind != TokenKind::kOpen) {
          return fail(std::string{field_name(own)} + ": has no value",
                      "write " + std::string{field_name(own)} +
                          ":value without a space, or several as (a OR b)");
        }
        return read_leaf(own);
      }
      case TokenKind::kWord:
      case TokenKind::kPhrase:
        return field ? read_value(*field) : read_text();
      case TokenKind::kRegex:
        if (field) return fail("a field takes no regular expression", "write the value itself");
        return read_regex();
      case TokenKind::kNear:
        return fail("NEAR has nothing before it", "write two words: 退款 NEAR/5 投诉");
      case TokenKind::kAnd:
      case TokenKind::kOr:
        return fail("an operator stands where a word should",
                    "put a word on each side of AND and OR; write it in quotes to look for it");
      case TokenKind::kClose:
        return fail("a word is missing before this )", "write one, or remove the brackets");
      default:
        return fail("the query ends where a word should stand",
                    "write one, or remove what is "
                    "before the end");
    }
  }

  // NEAR joins texts only: what a bracket, regex or field gives may not be followed by it.
  Node refuse_near(Node node) {
    if (token_.kind != TokenKind::kNear) return node;
    return fail("NEAR joins two words or phrases only",
                "write (a NEAR/5 b) OR (a NEAR/5 c) instead of a NEAR/5 (b OR c)");
  }

  Node read_value(QueryField field) {
    QueryNode node;
    node.kind = QueryKind::kField;
    node.field = field;
    node.column = token_.column;
    node.text = token_.text;
    if (node.text.find_first_not_of(" \t\r\n") == std::string::npos) {
      return fail(std::string{field_name(field)} + ": has an empty value", "write one");
    }
    if (!step()) return std::nullopt;
    return refuse_near(count(std::move(node)));
  }

  Node read_regex() {
    QueryNode node;
    node.kind = QueryKind::kRegex;
    node.column = token_.column;
    node.text = token_.text;
    if (node.text.empty() || node.text.size() > kQueryRegexBytesMax) {
      return fail(node.text.empty() ? "the regular expression is empty"
                                    : "the regular expression is too long",
                  "write 1 to " + std::to_string(kQueryRegexBytesMax) + " bytes between the /");
    }
    const RE2 regex(node.text, regex_options());
    if (!regex.ok()) {
      return fail("not a regular expression: " + regex.error(),
                  "see github.com/google/re2/wiki/Syntax; \\ before a sign takes it as it is");
    }
    if (!step()) return std::nullopt;
    return refuse_near(count(std::move(node)));
  }

  Node read_phrase() {
    QueryNode node;
    node.kind = QueryKind::kPhrase;
    node.column = token_.column;
    node.text = token_.text;
    fold_text(node.text, node.phrase);
    if (node.phrase.units.empty()) {
      return fail("there is nothing to look for in '" + node.text + "'",
                  "write letters, digits, Chinese or emoji; signs alone can be found by a /regex/");
    }
    if (!step()) return std::nullopt;
    return count(std::move(node));
  }

  Node read_text() {
    Node first = read_phrase();
    if (!first || token_.kind != TokenKind::kNear) return first;
    QueryNode near;
    near.kind = QueryKind::kNear;
    near.column = token_.column;
    near.distance = token_.distance;
    if (!step()) return std::nullopt;
    if (token_.kind != TokenKind::kWord && token_.kind != TokenKind::kPhrase) {
      return fail("NEAR needs a word or phrase behind it",
                  "write (a NEAR/5 b) OR (a NEAR/5 c) instead of a NEAR/5 (b OR c)");
    }
    Node second = read_phrase();
    if (!second) return std::nullopt;
    if (token_.kind == TokenKind::kNear) {
      return fail("NEAR joins two words, not three",
                  "write (a NEAR/5 b) (b NEAR/5 c) for both to hold");
    }
    near.children.push_back(*std::move(first));
    near.children.push_back(*std::move(second));
    return count(std::move(near));
  }

  Node count(QueryNode node) {
    if (++nodes_ <= kQueryNodesMax) return node;
    return fail_at(node.column,
                   "the query has more than " + std::to_string(kQueryNodesMax) + " parts",
                   "make two rules of it");
  }

  Lexer lexer_;
  Token token_;
  QueryError error_;
  std::size_t depth_ = 0;
  std::size_t nodes_ = 0;
};

}  // namespace

std::string_view field_name(QueryField field) noexcept {
  return kFieldNames[static_cast<std::size_t>(field)];
}

std::string to_string(const QueryError& error) {
  return "column " + std::to_string(error.column) + ": " + error.reason + "; " + error.remedy;
}

Result<QueryNode> parse_query(std::string_view query, QueryError* detail) {
  QueryError error;
  if (query.size() > kQueryBytesMax) {
    error = {1, "the query is " + std::to_string(query.size()) + " bytes long",
             "at most " + std::to_string(kQueryBytesMax) + " are taken; make two rules of it"};
  } else {
    Parser parser(query);
    if (auto node = parser.parse()) return *std::move(node);
    error = parser.error();
  }
  if (detail != nullptr) *detail = error;
  return Error{Code::kInvalidArgument, to_string(error)};
}

}  // namespace tidewatch
