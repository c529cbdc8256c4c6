// SPDX-License-Identifier: Apache-2.0
#include "serve/request_body.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace tidewatch {
namespace {

// What a body may be called. curl and Python's urllib call everything a form unless told
// otherwise; a web page of another origin is refused by its Origin, not by its type.
bool known_media_type(std::string_view content_type) {
  static constexpr std::array<std::string_view, 9> kKnown = {
      "application/x-ndjson", "application/ndjson",       "application/jsonl",
      "application/json",     "application/json-lines",   "application/octet-stream",
      "text/plain",           "application/x-json-lines", "application/x-www-form-urlencoded"};
  std::string type(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ') || type.ends_with('\t')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return type.empty() || std::find(kKnown.begin(), kKnown.end(), type) != kKnown.end();
}

}  // namespace

BodyIntake open_body(const RequestHead& head, const HttpOptions& options, std::uint64_t bytes_max,
                     std::string_view content_type) {
  BodyIntake intake;
  if (!known_media_type(head.content_type)) {
    intake.refused =
        problem(415, Code::kInvalidArgument, "Content-Type must be " + std::string(content_type));
    return intake;
  }
  auto decoder = ContentDecoder::make(
      head.content_encoding, {bytes_max, options.decoded_bytes_free, options.decoded_ratio_max});
  if (!decoder) {
    intake.refused = problem(415, Code::kInvalidArgument, decoder.error().message);
    intake.refused->headers.emplace_back("Accept-Encoding", "gzip, zstd");
    return intake;
  }
  if (head.content_length.value_or(0) > bytes_max) {
    intake.refused = body_problem(body_too_large(bytes_max));
    return intake;
  }
  intake.decoder = *std::move(decoder);
  return intake;
}

Error body_too_large(std::uint64_t bytes_max) {
  return {Code::kOutOfRange, "the body is longer than " + std::to_string(bytes_max) +
                                 " bytes; send it in several requests"};
}

Answer body_problem(const Error& fault, std::string_view members) {
  return problem(fault.code == Code::kOutOfRange ? 413 : 400, fault.code, fault.message, members);
}

}  // namespace tidewatch
