// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

enum class TextEncoding : std::uint8_t { kUtf8, kGb18030, kUtf16Le, kUtf16Be };
std::string_view encoding_name(TextEncoding encoding) noexcept;  // "utf-8", "gb18030", …

// By the byte-order mark; else UTF-8 when `start` is that (but for a character cut at its end),
// else GB18030, of which GBK and GB2312 are parts.
TextEncoding guess_encoding(std::string_view start);

// Turns a stream of bytes into UTF-8, cut anywhere. Bytes that mean nothing become U+FFFD and are
// counted; a byte-order mark is dropped. Threads: none.
class TextDecoder {
 public:
  // kUnimplemented: this system's iconv does not know the encoding.
  static Result<std::unique_ptr<TextDecoder>> create(TextEncoding encoding);
  // The same for a name as HTTP and XML give it ("gb2312"); GBK and GB2312 are read as GB18030.
  static Result<std::unique_ptr<TextDecoder>> create(std::string_view name);
  ~TextDecoder();
  TextDecoder(const TextDecoder&) = delete;
  TextDecoder& operator=(const TextDecoder&) = delete;

  // Appends to `out`. `last`: nothing follows; a character that is cut then counts as bad.
  void decode(std::string_view bytes, bool last, std::string& out);
  std::uint64_t bad_bytes() const { return bad_bytes_; }

 private:
  explicit TextDecoder(void* converter) : converter_(converter) {}

  void* const converter_;  // iconv_t
  std::string rest_;       // the start of a character, at most some bytes
  bool at_start_ = true;
  std::uint64_t bad_bytes_ = 0;
};

}  // namespace tidewatch
