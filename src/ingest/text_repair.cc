// SPDX-License-Identifier: Apache-2.0
#include "ingest/text_repair.h"

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace tidewatch {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the well-formed sequence at the start, or 0; then `bad` is the length of the maximal
// ill-formed part, at least 1.
std::size_t sequence(std::string_view text, std::size_t& bad) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  bad = 1;
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high) {
      bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

// The code unit of a \uXXXX escape at `at`, or -1 when there is none.
int escape_unit(const std::string& json, std::size_t at) {
  if (at + 6 > json.size() || json[at] != '\\' || json[at + 1] != 'u') return -1;
  int unit = 0;
  for (std::size_t i = at + 2; i < at + 6; ++i) {
    const char c = json[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  return simdjson::validate_utf8(text.data(), text.size());
}

void append_repaired_utf8(std::string_view text, std::string& out) {
  while (!text.empty()) {
    std::size_t bad = 0;
    const std::size_t length = sequence(text, bad);
    if (length == 0) {
      out += kReplacement;
      text.remove_prefix(bad);
    } else if (text[0] == '\0') {
      out += kReplacement;
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
}

void repair_escapes(std::string& json) noexcept {
  std::size_t at = 0;
  while ((at = json.find('\\', at)) != std::string::npos) {
    const int unit = escape_unit(json, at);
    if (unit < 0) {
      at += 2;  // another escape, such as \\ or \"
      continue;
    }
    const bool high = unit >= 0xD800 && unit <= 0xDBFF;
    const int next = high ? escape_unit(json, at + 6) : -1;
    if (high && next >= 0xDC00 && next <= 0xDFFF) {
      at += 12;
      continue;
    }
    if (unit == 0 || (unit >= 0xD800 && unit <= 0xDFFF)) {
      std::memcpy(json.data() + at, "\\ufffd", 6);
    }
    at += 6;
  }
}

}  // namespace tidewatch
