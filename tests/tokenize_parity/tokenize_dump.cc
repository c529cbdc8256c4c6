// SPDX-License-Identifier: Apache-2.0
// Tokenizes texts of any bytes from standard input to standard output, for the parity check:
//   tokenize_dump VOCAB TOKENS_MAX
//   in:  length (u32, little-endian), that many bytes; repeated
//   out: count (u32, little-endian), that many ids (i32); repeated
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tokenize/tokenizer.h"

static_assert(std::endian::native == std::endian::little);

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: tokenize_dump VOCAB TOKENS_MAX\n");
    return 2;
  }
  const auto vocabulary = tidewatch::Vocabulary::load(argv[1]);
  if (!vocabulary) {
    std::fprintf(stderr, "tokenize_dump: %s\n", vocabulary.error().message.c_str());
    return 1;
  }
  const auto tokens_max = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
  if (tokens_max < 2 || tokens_max > 1U << 20) {
    std::fprintf(stderr, "tokenize_dump: TOKENS_MAX must be 2 to 1048576\n");
    return 2;
  }
  const tidewatch::Tokenizer tokenizer(*vocabulary, {.tokens_max = tokens_max});
  std::vector<std::int32_t> ids(tokens_max);
  std::string text;
  std::uint32_t length = 0;
  while (std::fread(&length, sizeof length, 1, stdin) == 1) {
    text.resize(length);
    if (std::fread(text.data(), 1, length, stdin) != length) {
      std::fprintf(stderr, "tokenize_dump: the input ends within a text\n");
      return 1;
    }
    const auto count = static_cast<std::uint32_t>(tokenizer.encode(text, ids));
    std::fwrite(&count, sizeof count, 1, stdout);
    std::fwrite(ids.data(), sizeof ids[0], count, stdout);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
