// SPDX-License-Identifier: Apache-2.0
#include "ingest/decompressor.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <memory>
#include <vector>

namespace tidewatch {
namespace {

constexpr std::size_t kPieceBytes = 256U << 10;

class PlainDecompressor final : public Decompressor {
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

class GzipDecompressor final : public Decompressor {
 public:
  GzipDecompressor() {
    // 15 bits of window, + 16: gzip only.
    broken_ = inflateInit2(&stream_, 15 + 16) != Z_OK;
  }
  ~GzipDecompressor() override { inflateEnd(&stream_); }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  void feed(std::string_view bytes) override {
    // zlib's interface has no const; it only reads.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
  }

  Result<std::string_view> next() override {
    if (broken_) return Error{Code::kResourceExhausted, "gzip: out of memory"};
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
    stream_.avail_out = static_cast<uInt>(out_.size());
    while (stream_.avail_out > 0 && (stream_.avail_in > 0 || pending_)) {
      if (ended_) {  // another member follows
        inflateReset(&stream_);
        ended_ = false;
      }
      const uInt before = stream_.avail_in;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      consumed_ += before - stream_.avail_in;
      started_ = true;
      if (code == Z_STREAM_END) {
        ended_ = true;
        pending_ = false;
      } else if (code == Z_BUF_ERROR) {
        pending_ = false;  // wants more input
        break;
      } else if (code != Z_OK) {
        return Error{Code::kInvalidArgument,
                     fmt::format("gzip data is broken at byte {} of the compressed data: {}",
                                 consumed_, stream_.msg == nullptr ? "unknown" : stream_.msg)};
      } else {
        pending_ = stream_.avail_out == 0;
      }
    }
    return std::string_view{out_.data(), out_.size() - stream_.avail_out};
  }

  Status finish() override {
    if (started_ && !ended_) {
      return Error{Code::kInvalidArgument,
                   fmt::format("gzip data ends in the middle, after {} bytes; it was truncated",
                               consumed_)};
    }
    return {};
  }

 private:
  z_stream stream_{};
  std::vector<char> out_ = std::vector<char>(kPieceBytes);
  std::uint64_t consumed_ = 0;
  bool broken_ = false;
  bool started_ = false;
  bool ended_ = false;    // a member ended and the next has not begun
  bool pending_ = false;  // zlib may hold output although it took all input
};

class ZstdDecompressor final : public Decompressor {
 public:
  explicit ZstdDecompressor(int window_log_max) : stream_(ZSTD_createDStream(), &ZSTD_freeDStream) {
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, window_log_max);
  }

  void feed(std::string_view bytes) override { in_ = {bytes.data(), bytes.size(), 0}; }

  Result<std::string_view> next() override {
    ZSTD_outBuffer out{out_.data(), out_.size(), 0};
    while (out.pos < out.size && (in_.pos < in_.size || pending_)) {
      const std::size_t in_before = in_.pos;
      const std::size_t out_before = out.pos;
      const std::size_t code = ZSTD_decompressStream(stream_.get(), &out, &in_);
      consumed_ += in_.pos - in_before;
      if (ZSTD_isError(code) != 0) {
        return Error{Code::kInvalidArgument,
                     fmt::format("zstd data is broken at byte {} of the compressed data: {}",
                                 consumed_, ZSTD_getErrorName(code))};
      }
      unfinished_ = code != 0;
      pending_ = out.pos == out.size && code != 0;
      if (in_.pos == in_before && out.pos == out_before) break;
    }
    return std::string_view{out_.data(), out.pos};
  }

  Status finish() override {
    if (unfinished_) {
      return Error{Code::kInvalidArgument,
                   fmt::format("zstd data ends in the middle, after {} bytes; it was truncated",
                               consumed_)};
    }
    return {};
  }

 private:
  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  std::vector<char> out_ = std::vector<char>(kPieceBytes);
  std::uint64_t consumed_ = 0;
  bool unfinished_ = false;  // within a frame
  bool pending_ = false;     // the output was full: there may be more
};

}  // namespace

Encoding detect_encoding(std::string_view first_bytes) noexcept {
  if (first_bytes.size() < 4) return Encoding::kPlain;
  if (first_bytes.starts_with("\x1f\x8b")) return Encoding::kGzip;
  if (first_bytes.starts_with("\x28\xb5\x2f\xfd")) return Encoding::kZstd;
  // A skippable zstd frame: 0x184D2A50 to 0x184D2A5F, little endian.
  if ((first_bytes[0] & '\xf0') == '\x50' && first_bytes.substr(1, 3) == "\x2a\x4d\x18") {
    return Encoding::kZstd;
  }
  return Encoding::kPlain;
}

std::optional<Encoding> encoding_from_name(std::string_view name) noexcept {
  if (name.empty() || name == "identity") return Encoding::kPlain;
  if (name == "gzip" || name == "x-gzip") return Encoding::kGzip;
  if (name == "zstd") return Encoding::kZstd;
  return std::nullopt;
}

std::unique_ptr<Decompressor> Decompressor::create(Encoding encoding, int window_log_max) {
  switch (encoding) {
    case Encoding::kGzip: return std::make_unique<GzipDecompressor>();
    case Encoding::kZstd: return std::make_unique<ZstdDecompressor>(window_log_max);
    case Encoding::kPlain: break;
  }
  return std::make_unique<PlainDecompressor>();
}

}  // namespace tidewatch
