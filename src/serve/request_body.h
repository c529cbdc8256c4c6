// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "serve/answer.h"
#include "serve/content_decoder.h"
#include "serve/http_server.h"
#include "serve/request_head.h"

namespace tidewatch {

// Either a decoder for the body that the head announces, or the answer that refuses it: 415 for
// its type or coding, 413 for its length.
struct BodyIntake {
  std::unique_ptr<ContentDecoder> decoder;
  std::optional<Answer> refused;
};
BodyIntake open_body(const RequestHead& head, const HttpOptions& options, std::uint64_t bytes_max,
                     std::string_view content_type);

// kOutOfRange, with words for people.
Error body_too_large(std::uint64_t bytes_max);

// The answer to a body that broke off for what it is: 413 for kOutOfRange, else 400.
Answer body_problem(const Error& fault, std::string_view members = {});

}  // namespace tidewatch
