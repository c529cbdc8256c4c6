// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

struct DecoderLimits {
  std::uint64_t decoded_bytes_max = 1ull << 30;
  // Past decoded_bytes_free decoded bytes, at most ratio_max decoded bytes for each one received.
  std::uint64_t decoded_bytes_free = 16 << 20;
  std::uint64_t ratio_max = 200;
};

// Undoes the Content-Encoding of a body while it arrives: identity, gzip (RFC 1952, several
// members too) or zstd (RFC 8878, several frames too; windows up to 8 MiB as RFC 9659 asks).
// Threads: one at a time; never blocks.
// Bounds: one output buffer of 64 KiB and the library's window (32 KiB or 8 MiB).
// Errors: kInvalidArgument, the body is not what its header says; kOutOfRange, it passes a limit.
// After an error the decoder is of no more use.
class ContentDecoder {
 public:
  // Takes a piece of the decoded body; false: no more is wanted.
  using Sink = std::function<bool(std::string_view)>;

  virtual ~ContentDecoder() = default;

  // `content_encoding` as the header says it, empty for none. kUnimplemented: not one of ours.
  static Result<std::unique_ptr<ContentDecoder>> make(std::string_view content_encoding,
                                                      DecoderLimits limits);

  // Decodes `bytes` and hands over all that comes out. Returns true while more is wanted.
  virtual Result<bool> feed(std::string_view bytes, const Sink& sink) = 0;
  // Says whether the body ended where it may.
  virtual Status finish() = 0;
  // How many bytes to feed at once, so that no call takes long.
  virtual std::size_t piece_bytes() const = 0;
};

}  // namespace tidewatch
