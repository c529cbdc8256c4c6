// SPDX-License-Identifier: Apache-2.0
// The way of an HTTP body: cut into chunks, split into lines, decoded. Compared with a plain
// splitter and with another JSON parser; what is taken must survive writing and reading again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ingest/decompressor.h"
#include "ingest/line_splitter.h"
#include "ingest/post_decoder.h"
#include "ingest/post_json.h"
#include "ingest/utf8.h"

namespace {

using namespace tidewatch;

constexpr std::size_t kLineBytesMax = 600;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "decoder_fuzz: %s\n", what);
  std::abort();
}

struct NumberedLine {
  std::uint64_t number;
  std::string text;
  bool too_long;
  bool operator==(const NumberedLine&) const = default;
};

std::vector<NumberedLine> split_simply(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::vector<NumberedLine> lines;
  for (std::uint64_t number = 1; !bytes.empty(); ++number) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view text = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.size() > kLineBytesMax) {
      lines.push_back({number, "", true});
    } else if (text.find_first_not_of(" \t\r") != std::string_view::npos) {
      lines.push_back({number, std::string(text), false});
    }
  }
  return lines;
}

std::vector<NumberedLine> split_in_chunks(std::string_view bytes, std::size_t chunk_bytes) {
  LineSplitter splitter(kLineBytesMax);
  std::vector<NumberedLine> lines;
  for (std::size_t at = 0; at < bytes.size(); at += chunk_bytes) {
    const std::string chunk(bytes.substr(at, chunk_bytes));
    splitter.feed(chunk);
    while (const auto line = splitter.next()) {
      lines.push_back({line->number, std::string(line->text), line->too_long});
    }
  }
  if (const auto line = splitter.finish()) {
    lines.push_back({line->number, std::string(line->text), line->too_long});
  }
  return lines;
}

// Lone surrogate escapes, which we repair and the other parser refuses, become others. True when
// there is a number with an exponent, which the other parser refuses when it is too large.
bool prepare_for_reference(std::string& json) {
  bool exponent = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    exponent = exponent ||
               (at > 0 && (json[at] | 0x20) == 'e' && json[at - 1] >= '0' && json[at - 1] <= '9');
    if (json[at] != '\\' || at + 1 >= json.size()) continue;
    if (json[at + 1] == 'u' && at + 3 < json.size() && (json[at + 2] | 0x20) == 'd' &&
        std::string_view("89abcdefABCDEF").find(json[at + 3]) != std::string_view::npos) {
      json.replace(at + 2, 2, "00");
    }
    ++at;
  }
  return exponent;
}

void check_line(PostDecoder& decoder, const std::string& line) {
  std::string clean;
  append_replacing(line, clean);
  require(is_utf8(clean), "replacing left something that is not UTF-8");
  require(!is_utf8(line) || clean == line, "replacing changed well-formed UTF-8");
  const bool exponent = prepare_for_reference(clean);
  const auto reference = nlohmann::json::parse(clean, nullptr, /*allow_exceptions=*/false);

  const auto decoded = decoder.decode(line);
  if (const auto* error = std::get_if<DecodeError>(&decoded)) {
    require(!error->reason.empty() && error->reason.size() < 300, "a reason for people");
    require(is_utf8(error->reason) && is_utf8(error->field), "errors are UTF-8");
    // The other parser takes NUL for the end of its input, and a byte-order mark in any line.
    const bool quirk = clean.find('\0') != std::string::npos || clean.starts_with("\xEF\xBB\xBF");
    require(!error->field.empty() || !reference.is_object() || quirk, "JSON, but refused");
    return;
  }
  const Post& post = std::get<Post>(decoded);
  require(exponent || reference.is_object(), "taken, but not JSON");
  for (const std::string* text : {&post.id, &post.text, &post.author, &post.region, &post.source,
                                  &post.url, &post.repost_of, &post.extra}) {
    require(is_utf8(*text), "a post is UTF-8");
  }
  std::string encoded;
  append_post_json(post, encoded);
  const auto again = decoder.decode(encoded);
  require(std::holds_alternative<Post>(again), "what was written is not read");
  std::string twice;
  append_post_json(std::get<Post>(again), twice);
  require(twice == encoded, "what was written is read as something else");
}

// Any bytes as compressed data: an end or an error, in bounded pieces.
void check_decompressor(Encoding encoding, std::string_view bytes) {
  const auto decompressor = Decompressor::create(encoding, 20);
  std::size_t total = 0;
  decompressor->feed(bytes);
  while (total < (4U << 20)) {
    const auto piece = decompressor->next();
    if (!piece || piece->empty()) break;
    require(piece->size() <= (256U << 10), "a piece is bounded");
    total += piece->size();
  }
  decompressor->finish().ignore("most inputs are broken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ManualClock clock;
  static FreshIds ids("fuzz");
  static PostDecoder decoder(DecodeLimits{}, clock, ids);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto lines = split_simply(bytes);
  for (const std::size_t chunk_bytes : {std::size_t{1}, std::size_t{7}, std::size_t{4'096}}) {
    require(split_in_chunks(bytes, chunk_bytes) == lines, "lines depend on the chunks");
  }
  for (const NumberedLine& line : lines) {
    if (!line.too_long) check_line(decoder, line.text);
  }
  check_decompressor(detect_encoding(bytes), bytes);
  return 0;
}
