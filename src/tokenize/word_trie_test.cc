// SPDX-License-Identifier: Apache-2.0
#include "tokenize/word_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace tidewatch {
namespace {

WordTrie::Match find(const WordTrie& trie, WordTrie::State root, const std::string& text) {
  return trie.longest(root, text.data(), text.data() + text.size());
}

TEST(WordTrie, FindsTheLongestTokenFromEachRoot) {
  const WordTrie trie({{"a", 1}, {"abc", 2}, {"潮", 3}}, {{"a", 4}, {"ab", 5}});
  const struct {
    bool starts;
    const char* text;
    std::int32_t id;
    std::size_t length;
  } cases[] = {
      {true, "a", 1, 1},      {true, "ab", 1, 1},  {true, "abc", 2, 3},  {true, "abcd", 2, 3},
      {true, "b", -1, 0},     {true, "", -1, 0},   {true, "潮", 3, 3},   {true, "\xE6\xBD", -1, 0},
      {false, "a", 4, 1},     {false, "ab", 5, 2}, {false, "abc", 5, 2}, {false, "潮", -1, 0},
      {false, "\xFF", -1, 0},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.text);
    const auto match =
        find(trie, test.starts ? trie.start_root() : trie.continuation_root(), test.text);
    EXPECT_EQ(match.id, test.id);
    EXPECT_EQ(match.length, test.length);
  }
}

TEST(WordTrie, EmptyOneFindsNothing) {
  const WordTrie trie;
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(find(trie, trie.start_root(), std::string(3, static_cast<char>(byte))).id,
              WordTrie::kNone);
    EXPECT_EQ(find(trie, trie.continuation_root(), std::string(3, static_cast<char>(byte))).id,
              WordTrie::kNone);
  }
}

TEST(WordTrie, AgreesWithAMapOnRandomKeys) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    const auto letters = 2 + random() % 254;  // few: deep tries; many: wide ones
    const auto text = [&] {
      std::string made(1 + random() % 8, '\0');
      for (char& c : made) c = static_cast<char>(random() % letters);
      return made;
    };
    std::map<std::string, std::int32_t> keys[2];
    for (int i = 0; i < 2000; ++i) keys[random() % 2].emplace(text(), i);
    const WordTrie trie({keys[0].begin(), keys[0].end()}, {keys[1].begin(), keys[1].end()});
    for (int i = 0; i < 5000; ++i) {
      const std::string word = text() + text();
      for (const int which : {0, 1}) {
        WordTrie::Match expected;
        for (std::size_t length = word.size(); length > 0 && expected.length == 0; --length) {
          const auto found = keys[which].find(word.substr(0, length));
          if (found != keys[which].end()) expected = {found->second, length};
        }
        const auto match =
            find(trie, which == 0 ? trie.start_root() : trie.continuation_root(), word);
        ASSERT_EQ(match.id, expected.id) << "round " << round;
        ASSERT_EQ(match.length, expected.length) << "round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace tidewatch
