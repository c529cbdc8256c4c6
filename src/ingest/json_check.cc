// SPDX-License-Identifier: Apache-2.0
#include "ingest/json_check.h"

#include <vector>

namespace tidewatch {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

class Checker {
 public:
  Checker(std::string_view text, int depth_max)
      : text_(text), depth_max_(static_cast<std::size_t>(depth_max)) {}

  std::optional<JsonProblem> run() {
    skip_space();
    if (!value()) return problem_;
    while (!open_.empty()) {
      skip_space();
      const bool in_object = open_.back();
      if (take(in_object ? '}' : ']')) {
        open_.pop_back();
        continue;
      }
      if (!take(',')) {
        fail(in_object ? "expected ',' or '}'" : "expected ',' or ']'");
        return problem_;
      }
      skip_space();
      if (in_object && !key()) return problem_;
      if (!value()) return problem_;
    }
    skip_space();
    if (at_ < text_.size()) fail("something follows the value");
    return problem_;
  }

 private:
  // A value; of an object or array, that it is open and its first member was read.
  bool value() {
    while (true) {
      if (at_ >= text_.size()) return fail("the value is missing (truncated?)");
      const char c = text_[at_];
      if (c == '"') return string();
      if (c == '{' || c == '[') {
        if (open_.size() >= depth_max_) return fail("nested too deep");
        ++at_;
        skip_space();
        if (take(c == '{' ? '}' : ']')) return true;  // empty
        open_.push_back(c == '{');
        if (c == '{' && !key()) return false;
        continue;  // its first value
      }
      if (c == 't') return word("true");
      if (c == 'f') return word("false");
      if (c == 'n') return word("null");
      return number();
    }
  }

  bool key() {
    if (at_ >= text_.size() || text_[at_] != '"') return fail("expected a name in quotes");
    if (!string()) return false;
    skip_space();
    if (!take(':')) return fail("expected ':'");
    skip_space();
    return true;
  }

  bool string() {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control character in a string");
      if (c != '\\') {
        ++at_;
        continue;
      }
      if (at_ + 1 >= text_.size()) break;
      const char escaped = text_[at_ + 1];
      if (escaped == 'u') {
        for (std::size_t i = at_ + 2; i < at_ + 6; ++i) {
          if (i >= text_.size() || !is_hex(text_[i])) return fail("a broken \\u escape");
        }
        at_ += 6;
      } else if (std::string_view{"\"\\/bfnrt"}.find(escaped) != std::string_view::npos) {
        at_ += 2;
      } else {
        return fail("an unknown escape");
      }
    }
    return fail("a string without its end (truncated?)");
  }

  bool number() {
    take('-');
    if (at_ >= text_.size() || !is_digit(text_[at_])) return fail("expected a value");
    if (text_[at_] == '0') {
      ++at_;
    } else {
      digits();
    }
    if (take('.') && !digits()) return fail("digits are missing after '.'");
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (!take('+')) take('-');
      if (!digits()) return fail("digits are missing in the exponent");
    }
    return true;
  }

  bool digits() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > start;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return fail("expected a value");
    at_ += expected.size();
    return true;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' ||
                                  text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool fail(const char* what) {
    if (!problem_) problem_ = JsonProblem{at_, what};
    return false;
  }

  const std::string_view text_;
  const std::size_t depth_max_;
  std::size_t at_ = 0;
  std::vector<bool> open_;  // what is open: true an object, false an array
  std::optional<JsonProblem> problem_;
};

}  // namespace

std::optional<JsonProblem> check_json(std::string_view text, int depth_max) {
  return Checker(text, depth_max).run();
}

}  // namespace tidewatch
