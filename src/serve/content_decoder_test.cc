// SPDX-License-Identifier: Apache-2.0
#include "serve/content_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "serve/testing/compress.h"

namespace tidewatch {
namespace {

using testing_support::gzip;
using testing_support::zstd;
using testing_support::zstd_with_window;

// Some text that compresses about fourfold.
std::string sample(std::size_t bytes) {
  std::mt19937_64 random(3);
  std::string out;
  while (out.size() < bytes)
    out += "{\"text\":\"观潮 " + std::to_string(random() % 100000) + "\"}\n";
  return out;
}

struct Decoded {
  std::string bytes;
  Status status;
};

Decoded decode(std::string_view encoding, std::string_view body, std::size_t piece,
               DecoderLimits limits = {}) {
  Decoded result;
  auto decoder = ContentDecoder::make(encoding, limits);
  if (!decoder) {
    result.status = decoder.error();
    return result;
  }
  for (std::size_t at = 0; at < body.size(); at += piece) {
    const auto wanted = (*decoder)->feed(body.substr(at, piece), [&](std::string_view part) {
      result.bytes += part;
      return true;
    });
    if (!wanted) {
      result.status = wanted.error();
      return result;
    }
  }
  result.status = (*decoder)->finish();
  return result;
}

TEST(ContentDecoder, DecodesPiecesOfAnySize) {
  const std::string text = sample(300'000);
  struct Case {
    const char* encoding;
    std::string body;
  };
  const Case cases[] = {
      {"", text},
      {"identity", text},
      {"gzip", gzip(text)},
      {"GZIP", gzip(text)},
      {"x-gzip", gzip(text)},
      {"zstd", zstd(text)},
      {"gzip", gzip(text.substr(0, 1000)) + gzip(text.substr(1000))},  // two members
      {"zstd", zstd(text.substr(0, 1000)) + zstd(text.substr(1000))},  // two frames
  };
  for (const Case& c : cases) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{7}, std::size_t{16384}, c.body.size()}) {
      const Decoded decoded = decode(c.encoding, c.body, piece);
      EXPECT_TRUE(decoded.status.ok()) << c.encoding << ' ' << piece;
      EXPECT_EQ(decoded.bytes, text) << c.encoding << ' ' << piece;
    }
  }
}

TEST(ContentDecoder, TakesEmptyBodies) {
  for (const char* encoding : {"", "gzip", "zstd"}) {
    EXPECT_TRUE(decode(encoding, "", 10).status.ok()) << encoding;
  }
  EXPECT_TRUE(decode("gzip", gzip(""), 100).status.ok());
  EXPECT_TRUE(decode("zstd", zstd(""), 100).status.ok());
}

TEST(ContentDecoder, RefusesOtherCodings) {
  for (const char* encoding : {"br", "deflate", "gzip, zstd", "gzip,gzip", " gzip"}) {
    EXPECT_EQ(decode(encoding, "x", 1).status.error().code, Code::kUnimplemented) << encoding;
  }
}

TEST(ContentDecoder, RefusesWhatIsCorruptOrCutShort) {
  const std::string text = sample(100'000);
  const std::string zipped = gzip(text);
  const std::string standard = zstd(text);
  std::string flipped = zipped;
  flipped[zipped.size() / 2] ^= 0x55;
  std::string flipped_zstd = standard;
  flipped_zstd[standard.size() / 2] ^= 0x55;
  struct Case {
    const char* name;
    const char* encoding;
    std::string body;
  };
  const Case cases[] = {
      {"no gzip", "gzip", "{\"text\":\"a\"}\n"},
      {"gzip cut", "gzip", zipped.substr(0, zipped.size() - 1)},
      {"gzip cut early", "gzip", zipped.substr(0, 5)},
      {"gzip flipped", "gzip", flipped},
      {"gzip and garbage", "gzip", zipped + "garbage"},
      {"no zstd", "zstd", "{\"text\":\"a\"}\n"},
      {"zstd cut", "zstd", standard.substr(0, standard.size() - 1)},
      {"zstd flipped", "zstd", flipped_zstd},
      {"a window of 128 MiB", "zstd", zstd_with_window(text, 27)},
  };
  for (const Case& c : cases) {
    const Decoded decoded = decode(c.encoding, c.body, 4096);
    ASSERT_FALSE(decoded.status.ok()) << c.name;
    EXPECT_EQ(decoded.status.error().code, Code::kInvalidArgument) << c.name;
  }
}

TEST(ContentDecoder, StopsBombs) {
  const std::string zeros(64 << 20, ' ');
  for (const char* encoding : {"gzip", "zstd"}) {
    const std::string body = std::string_view(encoding) == "gzip" ? gzip(zeros) : zstd(zeros);
    const Decoded decoded = decode(encoding, body, 4096);
    ASSERT_FALSE(decoded.status.ok()) << encoding;
    EXPECT_EQ(decoded.status.error().code, Code::kOutOfRange) << encoding;
    EXPECT_LE(decoded.bytes.size(), (16u << 20) + (64u << 10)) << encoding;
  }
}

TEST(ContentDecoder, StopsAtTheLimit) {
  const std::string text = sample(200'000);
  const DecoderLimits limits{.decoded_bytes_max = 100'000};
  for (const auto& [encoding, body] :
       {std::pair{"", text}, std::pair{"gzip", gzip(text)}, std::pair{"zstd", zstd(text)}}) {
    const Decoded decoded = decode(encoding, body, 4096, limits);
    ASSERT_FALSE(decoded.status.ok()) << encoding;
    EXPECT_EQ(decoded.status.error().code, Code::kOutOfRange) << encoding;
    EXPECT_LE(decoded.bytes.size(), 100'000u) << encoding;
  }
}

TEST(ContentDecoder, StopsWhenNoMoreIsWanted) {
  const std::string text = sample(1'000'000);
  for (const auto& [encoding, body] :
       {std::pair{"", text}, std::pair{"gzip", gzip(text)}, std::pair{"zstd", zstd(text)}}) {
    auto decoder = ContentDecoder::make(encoding, {});
    int calls = 0;
    const auto wanted = (*decoder)->feed(body, [&](std::string_view) {
      ++calls;
      return false;
    });
    ASSERT_TRUE(wanted.ok()) << encoding;
    EXPECT_FALSE(*wanted) << encoding;
    EXPECT_EQ(calls, 1) << encoding;
  }
}

TEST(ContentDecoder, NoGarbageCrashesIt) {
  std::mt19937_64 random(11);
  const std::string text = sample(5'000);
  for (const char* encoding : {"gzip", "zstd"}) {
    const std::string good = std::string_view(encoding) == "gzip" ? gzip(text) : zstd(text);
    for (int round = 0; round < 2000; ++round) {
      std::string bad = good;
      for (int flips = 0; flips < 3; ++flips) {
        bad[random() % bad.size()] = static_cast<char>(random());
      }
      bad.resize(random() % bad.size() + 1);
      const Decoded decoded = decode(encoding, bad, 1 + random() % 4096);
      EXPECT_LE(decoded.bytes.size(), 17u << 20);
    }
  }
}

}  // namespace
}  // namespace tidewatch
