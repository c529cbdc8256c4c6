// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

enum class Encoding : std::uint8_t { kPlain, kGzip, kZstd };

// Tells by the magic bytes; needs four of them, fewer are plain.
Encoding detect_encoding(std::string_view first_bytes) noexcept;

// A Content-Encoding header: "" and "identity", "gzip" and "x-gzip", "zstd". Nothing: not known.
std::optional<Encoding> encoding_from_name(std::string_view name) noexcept;

// Decompresses a stream given in pieces, into pieces of at most 256 KiB, however well it was
// compressed; so a small body that unpacks to a huge one costs no memory. Gzip members and zstd
// frames may be concatenated.
//
//   decompressor->feed(bytes);
//   for (;;) {
//     TRY_ASSIGN(std::string_view piece, decompressor->next());
//     if (piece.empty()) break;   // wants more input
//     use(piece);
//   }
//   … more bytes …
//   TRY(decompressor->finish());   // truncated?
//
// Threads: none. Errors: kInvalidArgument with the offset in the compressed bytes; final.
// Bound: `window_log_max` limits a zstd frame's window to 2^n bytes (23, 8 MiB, for bodies from
// the network as RFC 8878 advises; 27 for files).
class Decompressor {
 public:
  static std::unique_ptr<Decompressor> create(Encoding encoding, int window_log_max = 23);
  virtual ~Decompressor() = default;

  // Precondition: next() has returned an empty piece since the last feed. The bytes must stay
  // valid until it does so again.
  virtual void feed(std::string_view bytes) = 0;
  virtual Result<std::string_view> next() = 0;  // valid until the next call
  virtual Status finish() = 0;
};

}  // namespace tidewatch
