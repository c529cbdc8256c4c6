// SPDX-License-Identifier: Apache-2.0
// The fast tokenizer against the slow one. The first byte chooses tokens_max, the rest is the text.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "simple_tokenizer.h"
#include "tokenize/tokenizer.h"

namespace {

constexpr std::uint32_t kTokensMax[] = {512, 2, 3, 8, 33, 128};
constexpr std::int32_t kUntouched = -7;

const std::shared_ptr<const tidewatch::Vocabulary>& vocabulary() {
  static const auto loaded = [] {
    auto result = tidewatch::Vocabulary::load(TIDEWATCH_SOURCE_DIR "/models/base/vocab.txt");
    if (!result) {
      std::fprintf(stderr, "%s\n", result.error().message.c_str());
      std::exit(1);
    }
    return *std::move(result);
  }();
  return loaded;
}

void print(const char* name, const std::vector<std::int32_t>& ids) {
  std::fprintf(stderr, "%s:", name);
  for (const std::int32_t id : ids) std::fprintf(stderr, " %d", id);
  std::fprintf(stderr, "\n");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint32_t tokens_max = kTokensMax[data[0] % std::size(kTokensMax)];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const tidewatch::Tokenizer tokenizer(vocabulary(), {.tokens_max = tokens_max});
  std::vector<std::int32_t> fast(tokens_max, kUntouched);
  fast.resize(tokenizer.encode(text, fast));
  const std::vector<std::int32_t> slow = tidewatch::encode_simply(*vocabulary(), text, tokens_max);
  if (fast != slow) {
    std::fprintf(stderr, "tokens_max %u\n", tokens_max);
    print("fast", fast);
    print("slow", slow);
    std::abort();
  }
  return 0;
}
