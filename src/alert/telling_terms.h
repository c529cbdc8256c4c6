// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidewatch {

// Finds the words that tell what texts are about, without a dictionary: hashtags (`#高考#`, most
// frequent first), then pieces of Chinese of 2 to 8 characters and Latin words, by the number of
// texts they stand in. Of pieces that stand in the same texts only the longest is given, so that
// 食品安 and 品安全 become 食品安全. A word must stand in two texts and in a fifth of them (in the
// one text, when there is only one). Addresses, @names and common words are left out.
// `texts` are UTF-8 (anything else is skipped over), each looked at for its first 1 KiB; give
// distinct ones, at most some dozens. Deterministic; ties go by length, then by bytes.
std::vector<std::string> telling_terms(std::span<const std::string_view> texts,
                                       std::size_t count_max);

// The hashtag, with its signs, that at least half of the texts carry; empty: none.
std::string common_hashtag(std::span<const std::string_view> texts);

}  // namespace tidewatch
