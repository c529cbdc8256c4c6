// SPDX-License-Identifier: Apache-2.0
#include "sources/text_encoding.h"

#include <iconv.h>

#include <cctype>
#include <cerrno>

#include "ingest/utf8.h"

namespace tidewatch {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::size_t kCharacterBytesMax = 4;

bool is_utf8_start(std::string_view bytes) {
  for (std::size_t cut = 0; cut < kCharacterBytesMax && cut <= bytes.size(); ++cut) {
    if (is_utf8(bytes.substr(0, bytes.size() - cut))) return true;
  }
  return false;
}

}  // namespace

std::string_view encoding_name(TextEncoding encoding) noexcept {
  switch (encoding) {
    case TextEncoding::kUtf8:
      return "utf-8";
    case TextEncoding::kGb18030:
      return "gb18030";
    case TextEncoding::kUtf16Le:
      return "utf-16le";
    case TextEncoding::kUtf16Be:
      return "utf-16be";
  }
  return "utf-8";
}

TextEncoding guess_encoding(std::string_view start) {
  if (start.starts_with("\xFF\xFE")) return TextEncoding::kUtf16Le;
  if (start.starts_with("\xFE\xFF")) return TextEncoding::kUtf16Be;
  return is_utf8_start(start) ? TextEncoding::kUtf8 : TextEncoding::kGb18030;
}

Result<std::unique_ptr<TextDecoder>> TextDecoder::create(TextEncoding encoding) {
  return create(encoding_name(encoding));
}

Result<std::unique_ptr<TextDecoder>> TextDecoder::create(std::string_view name) {
  std::string known;
  for (const char c : name) known += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (known == "gb2312" || known == "gbk" || known == "x-gbk") known = "gb18030";
  const iconv_t converter = ::iconv_open("UTF-8", known.c_str());
  // iconv_open says what is wrong by this value alone.
  if (converter == reinterpret_cast<iconv_t>(-1)) {  // NOLINT(performance-no-int-to-ptr)
    return Error{Code::kUnimplemented,
                 "the encoding '" + known.substr(0, 40) + "' is not known here"};
  }
  return std::unique_ptr<TextDecoder>(new TextDecoder(converter));
}

TextDecoder::~TextDecoder() { ::iconv_close(converter_); }

void TextDecoder::decode(std::string_view bytes, bool last, std::string& out) {
  std::string input = rest_;
  input += bytes;
  rest_.clear();
  std::string decoded;
  char buffer[16 << 10];
  char* from = input.data();
  std::size_t left = input.size();
  while (left > 0) {
    char* to = buffer;
    std::size_t room = sizeof buffer;
    const std::size_t converted = ::iconv(converter_, &from, &left, &to, &room);
    decoded.append(buffer, sizeof buffer - room);
    if (converted != static_cast<std::size_t>(-1) || errno == E2BIG) continue;
    if (errno == EINVAL && !last && left <= kCharacterBytesMax) {
      rest_.assign(from, left);
      break;
    }
    decoded += kReplacement;
    ++bad_bytes_;
    ++from;
    --left;
  }
  std::string_view text = decoded;
  if (at_start_ && text.starts_with(kMark)) text.remove_prefix(kMark.size());
  if (!decoded.empty()) at_start_ = false;
  out += text;
}

}  // namespace tidewatch
