// SPDX-License-Identifier: Apache-2.0
#include "ingest/raw_json.h"

#include <algorithm>
#include <cstring>

#include "ingest/utf8.h"

namespace tidewatch {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_high_surrogate(char32_t c) { return c >= 0xD800 && c <= 0xDBFF; }
bool is_low_surrogate(char32_t c) { return c >= 0xDC00 && c <= 0xDFFF; }

// The four hexadecimal digits at `at`.
std::optional<char32_t> hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return std::nullopt;
  char32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    if (is_digit(c)) {
      value = value * 16 + static_cast<char32_t>(c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
      value = value * 16 + static_cast<char32_t>((c | 0x20) - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

// An escape and how many characters it takes.
struct Escape {
  char32_t code_point;  // a lone surrogate is given as it is
  std::size_t size;
};

// Reads the escape that begins with the backslash at `at`.
std::optional<Escape> read_escape(std::string_view text, std::size_t at) {
  if (at + 1 >= text.size()) return std::nullopt;
  switch (text[at + 1]) {
    case '"':
    case '\\':
    case '/':
      return Escape{static_cast<char32_t>(text[at + 1]), 2};
    case 'b':
      return Escape{U'\b', 2};
    case 'f':
      return Escape{U'\f', 2};
    case 'n':
      return Escape{U'\n', 2};
    case 'r':
      return Escape{U'\r', 2};
    case 't':
      return Escape{U'\t', 2};
    case 'u':
      break;
    default:
      return std::nullopt;
  }
  const auto first = hex4(text, at + 2);
  if (!first) return std::nullopt;
  if (is_high_surrogate(*first) && text.substr(at + 6).starts_with("\\u")) {
    const auto second = hex4(text, at + 8);
    if (second && is_low_surrogate(*second)) {
      return Escape{0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00), 12};
    }
  }
  return Escape{*first, 6};
}

// Copies one value, compacting it. Recursive; bounded by depth_max.
class Compacter {
 public:
  Compacter(std::string_view text, int depth_max, std::string& out)
      : text_(text), depth_max_(depth_max), out_(out) {}

  RawJson run() {
    skip_space();
    if (!value(0)) return too_deep_ ? RawJson::kTooDeep : RawJson::kInvalid;
    skip_space();
    return at_ == text_.size() ? RawJson::kOk : RawJson::kInvalid;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    out_ += wanted;
    ++at_;
    return true;
  }

  bool value(int depth) {
    switch (peek()) {
      case '{':
        return object(depth + 1);
      case '[':
        return array(depth + 1);
      case '"':
        return string();
      default:
        return literal();
    }
  }

  bool enter(int depth) {
    too_deep_ = depth > depth_max_;
    return !too_deep_;
  }

  bool object(int depth) {
    if (!enter(depth)) return false;
    take('{');
    skip_space();
    if (take('}')) return true;
    for (;;) {
      if (peek() != '"' || !string()) return false;
      skip_space();
      if (!take(':')) return false;
      skip_space();
      if (!value(depth)) return false;
      skip_space();
      if (take('}')) return true;
      if (!take(',')) return false;
      skip_space();
    }
  }

  bool array(int depth) {
    if (!enter(depth)) return false;
    take('[');
    skip_space();
    if (take(']')) return true;
    for (;;) {
      if (!value(depth)) return false;
      skip_space();
      if (take(']')) return true;
      if (!take(',')) return false;
      skip_space();
    }
  }

  bool string() {
    take('"');
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') return take('"');
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        out_ += c;
        ++at_;
        continue;
      }
      const auto escape = read_escape(text_, at_);
      if (!escape) return false;
      const bool lone =
          is_high_surrogate(escape->code_point) || is_low_surrogate(escape->code_point);
      out_ += lone ? std::string_view("\\ufffd") : text_.substr(at_, escape->size);
      at_ += escape->size;
    }
    return false;
  }

  bool literal() {
    const std::size_t end = std::min(text_.find_first_of(" \t\n\r,:]}[{\"", at_), text_.size());
    const std::string_view token = text_.substr(at_, end - at_);
    if (token != "null" && token != "true" && token != "false" && !is_json_number(token)) {
      return false;
    }
    out_ += token;
    at_ = end;
    return true;
  }

  const std::string_view text_;
  const int depth_max_;
  std::string& out_;
  std::size_t at_ = 0;
  bool too_deep_ = false;
};

// Length of the integer part with its sign; 0: none.
std::size_t integer_length(std::string_view token) {
  std::size_t at = token.starts_with('-') ? 1 : 0;
  if (at >= token.size() || !is_digit(token[at])) return 0;
  if (token[at] == '0') return at + 1;
  while (at < token.size() && is_digit(token[at])) ++at;
  return at;
}

}  // namespace

bool append_unescaped(std::string_view inside, std::string& out) {
  for (std::size_t at = 0; at < inside.size();) {
    const std::size_t plain = std::min(inside.find('\\', at), inside.size());
    out += inside.substr(at, plain - at);
    at = plain;
    if (at == inside.size()) break;
    const auto escape = read_escape(inside, at);
    if (!escape) return false;
    append_code_point(escape->code_point == 0 ? U'\uFFFD' : escape->code_point, out);
    at += escape->size;
  }
  return true;
}

RawJson append_compact(std::string_view value, int depth_max, std::string& out) {
  return Compacter(value, depth_max, out).run();
}

bool is_json_number(std::string_view token) noexcept {
  std::size_t at = integer_length(token);
  if (at == 0) return false;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < token.size() && is_digit(token[at])) ++at;
    return at > from;
  };
  if (at < token.size() && token[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == token.size();
}

bool is_json_integer(std::string_view token) noexcept {
  return !token.empty() && integer_length(token) == token.size();
}

}  // namespace tidewatch
