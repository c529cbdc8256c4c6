// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "serve/answer.h"
#include "serve/router.h"
#include "serve/static_files.h"

namespace tidewatch {

// Answers a GET or HEAD outside of the API: a file, the dashboard's page for a path without a dot
// (its own addresses), 304, 404, or words that say that there is no dashboard in this build.
Answer static_answer(const StaticFiles& files, const Target& target,
                     std::string_view accept_encoding, std::string_view if_none_match);

// Whether an Accept-Encoding header lets the answer be gzip ("gzip" or "*", not with q=0).
bool accepts_gzip(std::string_view accept_encoding) noexcept;

// Whether an Accept header lets the answer be text/event-stream. Empty: yes.
bool accepts_event_stream(std::string_view accept) noexcept;

}  // namespace tidewatch
