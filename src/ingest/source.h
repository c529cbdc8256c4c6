// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "core/result.h"

namespace tidewatch {

// Somewhere bytes come from; the reader pulls, so a slow reader makes the source wait.
// Threads: none; read may block on the file or pipe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::string_view name() const = 0;  // for messages: the path, or "standard input"

  // The next piece, decompressed, at most 1 MiB, valid until the next call. Empty: the end.
  // An error is final: kInvalidArgument (broken or truncated compressed data, with the offset),
  // kUnavailable (the file cannot be read).
  virtual Result<std::string_view> read() = 0;
};

}  // namespace tidewatch
