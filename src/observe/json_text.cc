// SPDX-License-Identifier: Apache-2.0
#include "observe/json_text.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace tidewatch {
namespace {

struct Sequence8 {
  std::size_t length;  // bytes taken, at least 1
  bool valid;
};

// What stands at text[0] (a byte >= 0x80): a whole code point, or the longest beginning of one
// that is still possible (Unicode 15, table 3-7; what W3C's encoding standard replaces).
Sequence8 scan(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  std::size_t need = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    need = 1;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    need = 2;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    need = 3;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {1, false};
  }
  for (std::size_t i = 1; i <= need; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {need + 1, true};
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u00";
  out += kHex[(c >> 4) & 0xF];
  out += kHex[c & 0xF];
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.reserve(out.size() + text.size() + 2);
  out += '"';
  std::size_t i = 0;
  std::size_t plain_from = 0;
  const auto flush = [&] { out += text.substr(plain_from, i - plain_from); };
  while (i < text.size()) {
    const auto c = static_cast<std::uint8_t>(text[i]);
    if (c >= 0x80) {
      const Sequence8 sequence = scan(text.substr(i));
      if (!sequence.valid) {
        flush();
        out += "\xEF\xBF\xBD";
        plain_from = i + sequence.length;
      }
      i += sequence.length;
    } else if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F) {
      flush();
      append_escaped(out, text[i]);
      plain_from = ++i;
    } else {
      ++i;
    }
  }
  flush();
  out += '"';
}

void append_json_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  out.append(buffer, end);
}

}  // namespace tidewatch
