// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/result.h"

namespace tidewatch {

struct HttpGetAnswer {
  unsigned status = 0;
  std::string body;
};

// One GET of a running engine, for commands: blocks until it is answered (the server bounds that).
// `origin`: "http://127.0.0.1:8000". kInvalidArgument: no such address; kUnavailable: nobody
// answers.
Result<HttpGetAnswer> http_get(const std::string& origin, const std::string& target);

}  // namespace tidewatch
