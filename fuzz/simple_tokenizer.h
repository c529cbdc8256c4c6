// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenize/tokenizer.h"

namespace tidewatch {

// What Tokenizer::encode does, step after step over the whole text, the way the reference's
// definition reads: decode, split at special tokens, replace, reorder, split into words, match the
// longest token by trying every length. Slow on purpose; shares with the fast path only the Unicode
// tables and the vocabulary's look-up by name. Throws std::bad_alloc when out of memory.
std::vector<std::int32_t> encode_simply(const Vocabulary& vocabulary, std::string_view text,
                                        std::size_t tokens_max);

}  // namespace tidewatch
