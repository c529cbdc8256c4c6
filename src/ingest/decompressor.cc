// SPDX-License-Identifier: Apache-2.0
#include "ingest/decompressor.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tidewatch {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
// zlib counts in 32 bits.
constexpr std::size_t kFeedBytesMax = 1 << 30;

Error broken(const char* format, std::uint64_t offset, std::string_view why) {
  return Error{Code::kInvalidArgument, std::string(format) + " data broken at compressed byte " +
                                           std::to_string(offset) + ": " + std::string(why)};
}

Error truncated(const char* format, std::uint64_t offset) {
  return Error{Code::kInvalidArgument, std::string(format) + " data truncated: it ends after " +
                                           std::to_string(offset) + " compressed bytes, within a " +
                                           (format[0] == 'g' ? "member" : "frame") +
                                           "; what was read before stands"};
}

class Plain final : public Decompressor {
 public:
  void feed(std::string_view bytes) override { bytes_ = bytes; }
  Result<std::string_view> next() override {
    const std::string_view piece = bytes_.substr(0, kPieceBytes);
    bytes_.remove_prefix(piece.size());
    return piece;
  }
  Status finish() override { return {}; }

 private:
  std::string_view bytes_;
};

class Gzip final : public Decompressor {
 public:
  Gzip() : piece_(kPieceBytes) { ready_ = inflateInit2(&stream_, 15 + 16) == Z_OK; }
  ~Gzip() override {
    if (ready_) inflateEnd(&stream_);
  }

  void feed(std::string_view bytes) override { bytes_ = bytes; }

  Result<std::string_view> next() override {
    if (!ready_) return Error{Code::kResourceExhausted, "no memory to unpack gzip data"};
    while (!bytes_.empty() || more_output_) {
      if (between_members_) {
        while (bytes_.starts_with('\0')) {  // padding, as tapes and some writers leave it
          bytes_.remove_prefix(1);
          ++offset_;
        }
        if (bytes_.empty()) break;
        between_members_ = false;
        inflateReset(&stream_);
      }
      const std::size_t given = std::min(bytes_.size(), kFeedBytesMax);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes_.data()));
      stream_.avail_in = static_cast<uInt>(given);
      stream_.next_out = reinterpret_cast<Bytef*>(piece_.data());
      stream_.avail_out = static_cast<uInt>(piece_.size());
      const int code = inflate(&stream_, Z_NO_FLUSH);
      const std::size_t taken = given - stream_.avail_in;
      bytes_.remove_prefix(taken);
      offset_ += taken;
      const std::size_t made = piece_.size() - stream_.avail_out;
      more_output_ = stream_.avail_out == 0;
      if (code == Z_STREAM_END) {
        between_members_ = true;
        more_output_ = false;
        ++members_;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return broken("gzip", offset_,
                      stream_.msg != nullptr ? stream_.msg : "it cannot be unpacked");
      }
      if (made > 0) return std::string_view(piece_.data(), made);
      if (code == Z_BUF_ERROR) break;  // wants more input
    }
    return std::string_view{};
  }

  Status finish() override {
    if (between_members_ || (members_ == 0 && offset_ == 0)) return {};
    return truncated("gzip", offset_);
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
  std::vector<char> piece_;
  std::string_view bytes_;
  std::uint64_t offset_ = 0;
  std::uint64_t members_ = 0;
  bool between_members_ = false;
  bool more_output_ = false;  // the last piece was full: zlib may hold more
};

class Zstd final : public Decompressor {
 public:
  explicit Zstd(int window_log_max) : stream_(ZSTD_createDStream()), piece_(kPieceBytes) {
    if (stream_ != nullptr) {
      ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, window_log_max);
    }
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }

  void feed(std::string_view bytes) override { bytes_ = bytes; }

  Result<std::string_view> next() override {
    if (stream_ == nullptr) return Error{Code::kResourceExhausted, "no memory to unpack zstd data"};
    while (!bytes_.empty() || more_output_) {
      ZSTD_inBuffer in{bytes_.data(), bytes_.size(), 0};
      ZSTD_outBuffer out{piece_.data(), piece_.size(), 0};
      const std::size_t code = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(code) != 0) return broken("zstd", offset_ + in.pos, ZSTD_getErrorName(code));
      bytes_.remove_prefix(in.pos);
      offset_ += in.pos;
      within_frame_ = code != 0;
      more_output_ = out.pos == out.size && code != 0;
      if (out.pos > 0) return std::string_view(piece_.data(), out.pos);
      if (in.pos == 0) break;  // wants more input
    }
    return std::string_view{};
  }

  Status finish() override {
    if (!within_frame_) return {};
    return truncated("zstd", offset_);
  }

 private:
  ZSTD_DStream* const stream_;
  std::vector<char> piece_;
  std::string_view bytes_;
  std::uint64_t offset_ = 0;
  bool within_frame_ = false;
  bool more_output_ = false;
};

}  // namespace

Encoding detect_encoding(std::string_view first_bytes) noexcept {
  if (first_bytes.size() < 4) return Encoding::kPlain;
  if (first_bytes.starts_with("\x1F\x8B\x08")) return Encoding::kGzip;
  if (first_bytes.starts_with("\x28\xB5\x2F\xFD")) return Encoding::kZstd;
  // A skippable frame: 0x184D2A5?, little-endian. pzstd writes one first.
  const bool skippable = (static_cast<unsigned char>(first_bytes[0]) & 0xF0) == 0x50 &&
                         first_bytes.substr(1).starts_with("\x2A\x4D\x18");
  return skippable ? Encoding::kZstd : Encoding::kPlain;
}

std::optional<Encoding> encoding_from_name(std::string_view name) noexcept {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 0x20);
  }
  if (lower.empty() || lower == "identity") return Encoding::kPlain;
  if (lower == "gzip" || lower == "x-gzip") return Encoding::kGzip;
  if (lower == "zstd") return Encoding::kZstd;
  return std::nullopt;
}

std::unique_ptr<Decompressor> Decompressor::create(Encoding encoding, int window_log_max) {
  switch (encoding) {
    case Encoding::kGzip:
      return std::make_unique<Gzip>();
    case Encoding::kZstd:
      return std::make_unique<Zstd>(window_log_max);
    case Encoding::kPlain:
      break;
  }
  return std::make_unique<Plain>();
}

}  // namespace tidewatch
