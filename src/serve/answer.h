// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "serve/engine.h"

namespace tidewatch {

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kProblemType = "application/problem+json";

// What a request is answered with, before it becomes bytes.
struct Answer {
  int status = 200;
  std::string_view content_type = kJsonType;  // constant data
  std::string body;
  std::string_view constant_body;  // sent instead of `body` when not empty; constant data
  std::vector<std::pair<std::string_view, std::string>> headers;  // names are constant data
  bool close = false;                                             // end the connection afterwards
  bool streamed = false;  // the body has no length and ends with the connection

  std::string_view bytes() const { return constant_body.empty() ? body : constant_body; }
};

std::string_view reason_phrase(int status) noexcept;

// engine.h says which code becomes which status.
int http_status(Code code) noexcept;

// RFC 9457 problem details. `members` are more members of the object, as JSON ("\"a\":1,\"b\":2").
Answer problem(int status, Code code, std::string_view detail, std::string_view members = {});
// The same for an error of the engine; kResourceExhausted and kUnavailable say Retry-After
// (the predicted wait in whole seconds, at least 1).
Answer problem(const Error& error);
// The same problem as the Open Inference Protocol has it: {"error":"…"}.
Answer as_inference_error(Answer problem);
// The document, or the problem.
Answer json_answer(Result<std::string> document);

// Sets what a report is sent as. A page may load nothing and run nothing, whatever it holds.
void as_report(std::string_view format, Answer& answer);

// Members of an ingest answer: "accepted":1,… without the braces.
std::string summary_members(const IngestSummary& summary);
// Chooses status and body as docs/api.md says. `retry_after_seconds` is for 429 and 503.
Answer ingest_answer(const IngestSummary& summary, unsigned retry_after_seconds);

// Seconds after which a refused client should try again: 1, and up to 9 more so that many clients
// do not come back at once. `load`: clients that are sending now.
unsigned retry_after_seconds(std::size_t load, std::uint64_t random) noexcept;

// Status line and headers, with the empty line. `date` is an IMF-fixdate.
std::string render_head(const Answer& answer, std::string_view date, bool keep_alive);

// "Mon, 23 Nov 2026 04:28:29 GMT"
std::string http_date(std::int64_t unix_seconds);

}  // namespace tidewatch
