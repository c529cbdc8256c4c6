// SPDX-License-Identifier: Apache-2.0
#include "ingest/file_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "ingest/decompressor.h"

namespace tidewatch {
namespace {

using ::testing::HasSubstr;

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text, int window_log = 0) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  if (window_log > 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  }
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_outBuffer output{out.data(), out.size(), 0};
  ZSTD_inBuffer input{text.data(), text.size(), 0};
  while (ZSTD_compressStream2(context, &output, &input, ZSTD_e_continue) != 0 &&
         input.pos < input.size) {
  }
  while (ZSTD_compressStream2(context, &output, &input, ZSTD_e_end) != 0) {
  }
  out.resize(output.pos);
  ZSTD_freeCCtx(context);
  return out;
}

std::string random_text(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 20);
  return text;
}

// Everything a decompressor makes of `bytes` in chunks of `chunk`; the error's message on failure.
std::string unpack(Encoding encoding, const std::string& bytes, std::size_t chunk,
                   std::string* error = nullptr, std::size_t* piece_max = nullptr) {
  const auto decompressor = Decompressor::create(encoding);
  std::string out;
  const auto fail = [&](const Error& why) {
    EXPECT_EQ(why.code, Code::kInvalidArgument);
    if (error != nullptr) *error = why.message;
    return out;
  };
  for (std::size_t at = 0; at < bytes.size(); at += chunk) {
    const std::string copy = bytes.substr(at, chunk);
    decompressor->feed(copy);
    for (;;) {
      const auto piece = decompressor->next();
      if (!piece) return fail(piece.error());
      if (piece->empty()) break;
      if (piece_max != nullptr) *piece_max = std::max(*piece_max, piece->size());
      out += *piece;
    }
  }
  if (const auto whole = decompressor->finish(); !whole) return fail(whole.error());
  return out;
}

TEST(Decompressor, UnpacksHoweverTheChunksFall) {
  const std::string text = random_text(1, 700'000);
  const std::string other = random_text(2, 300);
  for (const std::size_t chunk : {1UL, 7UL, 4'096UL, 1'000'000UL}) {
    EXPECT_EQ(unpack(Encoding::kPlain, other, chunk), other);
    EXPECT_EQ(unpack(Encoding::kGzip, gzip(text), chunk), text);
    EXPECT_EQ(unpack(Encoding::kZstd, zstd(text), chunk), text);
    EXPECT_EQ(unpack(Encoding::kGzip, gzip(other) + gzip("") + gzip(text), chunk), other + text);
    EXPECT_EQ(unpack(Encoding::kZstd, zstd(other) + zstd("") + zstd(text), chunk), other + text);
    EXPECT_EQ(unpack(Encoding::kGzip, gzip(other) + std::string(512, '\0'), chunk), other);
  }
  EXPECT_EQ(unpack(Encoding::kGzip, "", 1), "");
  EXPECT_EQ(unpack(Encoding::kZstd, "", 1), "");
  EXPECT_EQ(unpack(Encoding::kGzip, gzip(""), 3), "");
}

TEST(Decompressor, SaysWhereItWasTruncated) {
  const std::string text = random_text(1, 5'000);
  for (const auto& [encoding, packed] :
       {std::pair{Encoding::kGzip, gzip(text)}, std::pair{Encoding::kZstd, zstd(text)}}) {
    for (const std::size_t cut :
         {std::size_t{1}, std::size_t{5}, packed.size() / 2, packed.size() - 1}) {
      std::string error;
      const std::string out = unpack(encoding, packed.substr(0, cut), 64, &error);
      EXPECT_THAT(error, HasSubstr("truncated")) << cut;
      EXPECT_THAT(error, HasSubstr(std::to_string(cut) + " compressed bytes"));
      EXPECT_TRUE(text.starts_with(out)) << cut;
    }
    // Also within the second member or frame.
    std::string error;
    EXPECT_TRUE(unpack(encoding, packed + packed.substr(0, 20), 64, &error).starts_with(text));
    EXPECT_THAT(error, HasSubstr(std::to_string(packed.size() + 20) + " compressed bytes"));
  }
}

TEST(Decompressor, SaysWhereItIsBroken) {
  const std::string text = random_text(1, 50'000);
  for (const auto& [encoding, packed] :
       {std::pair{Encoding::kGzip, gzip(text)}, std::pair{Encoding::kZstd, zstd(text)}}) {
    std::string error;
    unpack(encoding, packed + "this is no header", 64, &error);
    EXPECT_THAT(error, HasSubstr("broken at compressed byte")) << error;
    std::mt19937_64 random(3);
    for (int i = 0; i < 300; ++i) {  // whatever happens, it ends and stays within bounds
      std::string bad = packed;
      char& byte = bad[random() % bad.size()];
      byte = static_cast<char>(byte ^ static_cast<char>(1 + random() % 255));
      error.clear();
      unpack(encoding, bad, 1'000, &error);
    }
  }
}

TEST(Decompressor, ABombComesInSmallPieces) {
  const std::string zeros(64 << 20, '0');
  for (const auto& [encoding, packed] :
       {std::pair{Encoding::kGzip, gzip(zeros)}, std::pair{Encoding::kZstd, zstd(zeros)}}) {
    std::size_t piece_max = 0;
    EXPECT_LT(packed.size(), 100'000U);
    EXPECT_EQ(unpack(encoding, packed, 1 << 20, nullptr, &piece_max).size(), zeros.size());
    EXPECT_LE(piece_max, 256U << 10);
  }
}

TEST(Decompressor, RefusesAZstdWindowThatIsTooLarge) {
  const std::string packed = zstd(random_text(1, 100'000), 25);
  std::string error;
  unpack(Encoding::kZstd, packed, 1'000, &error);
  EXPECT_THAT(error, HasSubstr("too much memory"));
}

TEST(Encoding, IsToldByMagicBytesAndNames) {
  EXPECT_EQ(detect_encoding(gzip("x")), Encoding::kGzip);
  EXPECT_EQ(detect_encoding(zstd("x")), Encoding::kZstd);
  EXPECT_EQ(detect_encoding("\x5E\x2A\x4D\x18"), Encoding::kZstd);
  EXPECT_EQ(detect_encoding("{\"text\":\"\"}"), Encoding::kPlain);
  EXPECT_EQ(detect_encoding("\x1F\x8B"), Encoding::kPlain);
  EXPECT_EQ(detect_encoding(""), Encoding::kPlain);
  EXPECT_EQ(encoding_from_name("GZip"), Encoding::kGzip);
  EXPECT_EQ(encoding_from_name("zstd"), Encoding::kZstd);
  EXPECT_EQ(encoding_from_name(""), Encoding::kPlain);
  EXPECT_FALSE(encoding_from_name("br").has_value());
}

class FileSourceTest : public ::testing::Test {
 protected:
  FileSourceTest()
      : dir_(std::filesystem::temp_directory_path() /
             ("tidewatch_source_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(dir_);
  }
  ~FileSourceTest() override { std::filesystem::remove_all(dir_); }
  std::string file(const std::string& name, const std::string& bytes) {
    const auto path = dir_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }
  static Result<std::string> read_all(const std::string& path) {
    TRY_ASSIGN(const auto source, open_file_source(path));
    std::string out;
    for (;;) {
      TRY_ASSIGN(const std::string_view piece, source->read());
      if (piece.empty()) break;
      out += piece;
    }
    const auto after = source->read();
    EXPECT_TRUE(after.ok() && after->empty()) << "the end stays the end";
    return out;
  }

  const std::filesystem::path dir_;
};

TEST_F(FileSourceTest, TellsTheFormatByContent) {
  const std::string text = random_text(3, 600'000);
  for (const auto& [name, bytes] :
       {std::pair<std::string, std::string>{"plain.gz", text},
        {"gzip", gzip(text)},
        {"zstd.txt", zstd(text)},
        {"two", gzip(text.substr(0, 1'000)) + gzip(text.substr(1'000))}}) {
    const auto read = read_all(file(name, bytes));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, text) << name;
  }
  for (const std::string small : {"", "a", "ab", "\x1F\x8B", "{}\n"}) {
    const auto read = read_all(file("small", small));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, small);
  }
}

TEST_F(FileSourceTest, ErrorsNameTheFile) {
  const auto missing = open_file_source((dir_ / "no such").string());
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("no such"));
  const auto folder = open_file_source(dir_.string());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, Code::kInvalidArgument);

  const auto source =
      open_file_source(file("cut.gz", gzip(random_text(1, 9'000)).substr(0, 3'000)));
  ASSERT_TRUE(source.ok());
  Result<std::string_view> piece = (*source)->read();
  while (piece.ok() && !piece->empty()) piece = (*source)->read();
  ASSERT_FALSE(piece.ok());
  EXPECT_EQ(piece.error().code, Code::kInvalidArgument);
  EXPECT_THAT(piece.error().message, HasSubstr("cut.gz"));
  EXPECT_THAT(piece.error().message, HasSubstr("3000 compressed bytes"));
  EXPECT_FALSE((*source)->read().ok()) << "an error is final";
}

// A pipe that hands out a byte at first, so that the magic bytes come in pieces.
TEST_F(FileSourceTest, ReadsAPipe) {
  const std::string packed = zstd("piped");
  const auto path = (dir_ / "fifo").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::jthread writer([&] {
    std::ofstream out(path, std::ios::binary);
    for (const char c : packed) out << c << std::flush;
  });
  const auto read = read_all(path);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, "piped");
}

}  // namespace
}  // namespace tidewatch
