// SPDX-License-Identifier: Apache-2.0
#include "serve/content_decoder.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tidewatch {
namespace {

constexpr std::size_t kOutputBytes = 64 << 10;
constexpr int kWindowLogMax = 23;

// Counts what came in and what came out.
class Expansion {
 public:
  explicit Expansion(DecoderLimits limits) : limits_(limits) {}

  void received(std::size_t bytes) { received_ += bytes; }
  Status decoded(std::size_t bytes) {
    decoded_ += bytes;
    if (decoded_ > limits_.decoded_bytes_max) {
      return Error{Code::kOutOfRange, "the body is longer than " +
                                          std::to_string(limits_.decoded_bytes_max) +
                                          " bytes when decoded; send it in several requests"};
    }
    if (decoded_ > limits_.decoded_bytes_free && decoded_ / limits_.ratio_max > received_) {
      return Error{Code::kOutOfRange, "the body grows more than " +
                                          std::to_string(limits_.ratio_max) +
                                          "-fold when decoded; send it uncompressed"};
    }
    return {};
  }
  bool any_received() const { return received_ > 0; }

 private:
  const DecoderLimits limits_;
  std::uint64_t received_ = 0;
  std::uint64_t decoded_ = 0;
};

class IdentityDecoder final : public ContentDecoder {
 public:
  explicit IdentityDecoder(DecoderLimits limits) : expansion_(limits) {}

  Result<bool> feed(std::string_view bytes, const Sink& sink) override {
    expansion_.received(bytes.size());
    TRY(expansion_.decoded(bytes.size()));
    return sink(bytes);
  }
  Status finish() override { return {}; }
  std::size_t piece_bytes() const override { return 64 << 10; }

 private:
  Expansion expansion_;
};

// Compressed pieces are small: each may grow a lot, and other connections wait meanwhile.
constexpr std::size_t kCompressedPieceBytes = 16 << 10;

class GzipDecoder final : public ContentDecoder {
 public:
  explicit GzipDecoder(DecoderLimits limits) : expansion_(limits), output_(kOutputBytes) {}
  ~GzipDecoder() override {
    if (open_) inflateEnd(&stream_);
  }

  Status open() {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) {
      return Error{Code::kInternal, "zlib does not start"};
    }
    open_ = true;
    return {};
  }

  Result<bool> feed(std::string_view bytes, const Sink& sink) override {
    expansion_.received(bytes.size());
    // zlib's interface predates const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    bool filled = true;  // the output: then there may be more though the input is used up
    while (stream_.avail_in > 0 || filled) {
      if (at_end_) {
        if (stream_.avail_in == 0) break;
        inflateReset(&stream_);  // another member follows
        at_end_ = false;
      }
      stream_.next_out = reinterpret_cast<Bytef*>(output_.data());
      stream_.avail_out = static_cast<uInt>(output_.size());
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return Error{Code::kInvalidArgument,
                     std::string("the body is not valid gzip: ") +
                         (stream_.msg != nullptr ? stream_.msg : "corrupt")};
      }
      at_end_ = result == Z_STREAM_END;
      filled = stream_.avail_out == 0;
      const std::size_t count = output_.size() - stream_.avail_out;
      TRY(expansion_.decoded(count));
      if (count > 0 && !sink({output_.data(), count})) return false;
    }
    return true;
  }

  Status finish() override {
    if (at_end_ || !expansion_.any_received()) return {};
    return Error{Code::kInvalidArgument, "the gzip body ends too early"};
  }
  std::size_t piece_bytes() const override { return kCompressedPieceBytes; }

 private:
  Expansion expansion_;
  std::vector<char> output_;
  z_stream stream_{};
  bool open_ = false;
  bool at_end_ = false;
};

class ZstdDecoder final : public ContentDecoder {
 public:
  explicit ZstdDecoder(DecoderLimits limits)
      : expansion_(limits), output_(kOutputBytes), stream_(ZSTD_createDStream()) {}

  Status open() {
    if (!stream_ ||
        ZSTD_isError(ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kWindowLogMax))) {
      return Error{Code::kInternal, "zstd does not start"};
    }
    return {};
  }

  Result<bool> feed(std::string_view bytes, const Sink& sink) override {
    if (bytes.empty()) return true;
    expansion_.received(bytes.size());
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool filled = true;
    while (in.pos < in.size || filled) {
      ZSTD_outBuffer out{output_.data(), output_.size(), 0};
      const std::size_t before = in.pos;
      const std::size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(result)) {
        return Error{Code::kInvalidArgument,
                     std::string("the body is not valid zstd (with a window of at most 8 MiB): ") +
                         ZSTD_getErrorName(result)};
      }
      // With nothing read and nothing written, `result` is only a hint for the next frame.
      if (in.pos > before || out.pos > 0) at_end_ = result == 0;
      filled = out.pos == out.size;
      TRY(expansion_.decoded(out.pos));
      if (out.pos > 0 && !sink({output_.data(), out.pos})) return false;
    }
    return true;
  }

  Status finish() override {
    if (at_end_ || !expansion_.any_received()) return {};
    return Error{Code::kInvalidArgument, "the zstd body ends too early"};
  }
  std::size_t piece_bytes() const override { return kCompressedPieceBytes; }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  Expansion expansion_;
  std::vector<char> output_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool at_end_ = false;
};

template <typename Decoder>
Result<std::unique_ptr<ContentDecoder>> open_decoder(DecoderLimits limits) {
  auto decoder = std::make_unique<Decoder>(limits);
  TRY(decoder->open());
  return std::unique_ptr<ContentDecoder>(std::move(decoder));
}

}  // namespace

Result<std::unique_ptr<ContentDecoder>> ContentDecoder::make(std::string_view content_encoding,
                                                             DecoderLimits limits) {
  std::string name(content_encoding);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (name.empty() || name == "identity") {
    return std::unique_ptr<ContentDecoder>(std::make_unique<IdentityDecoder>(limits));
  }
  if (name == "gzip" || name == "x-gzip") return open_decoder<GzipDecoder>(limits);
  if (name == "zstd") return open_decoder<ZstdDecoder>(limits);
  return Error{Code::kUnimplemented,
               "Content-Encoding '" + std::string(content_encoding) + "'; use gzip, zstd or none"};
}

}  // namespace tidewatch
