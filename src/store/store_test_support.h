// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: a folder of one's own, posts, a schema.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "store/post_rows.h"
#include "store/store.h"

namespace tidewatch::store_test {

// A folder that is gone afterwards.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "tidewatch-store-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "cannot make " << name;
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline const LabelSchema& labels() {
  static const LabelSchema schema{
      .emotions = {"angry", "fear", "happy", "neutral", "sad", "surprise"},
      .negative = {true, true, false, false, true, false},
      .topics = {"finance", "health", "sport"},
      .neutral = 3};
  return schema;
}

inline ScoredPost make_post(std::string id, std::string text, std::int64_t time_ms = 1'000) {
  ScoredPost scored;
  scored.post.id = std::move(id);
  scored.post.text = std::move(text);
  scored.post.time = from_millis(time_ms);
  if (!scored.post.text.empty()) {
    scored.scores.model = {1};
    scored.scores.emotion = 0;
    scored.scores.emotion_prob = {0.75F, 0.25F};
    scored.scores.topic = 1;
    scored.scores.topic_prob = {0.1F, 0.9F};
    scored.text_hash = 0xFEEDFACECAFEBEEFULL;
  } else {
    scored.scores.emotion = 3;
  }
  return scored;
}

inline std::vector<ScoredPost> make_posts(std::size_t count, const std::string& prefix = "p",
                                          const std::string& text = "今天天气真好") {
  std::vector<ScoredPost> posts;
  posts.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    posts.push_back(make_post(prefix + std::to_string(i), text + std::to_string(i),
                              static_cast<std::int64_t>(i) * 1'000));
  }
  return posts;
}

inline StoreOptions quiet_options(const std::filesystem::path& dir) {
  StoreOptions options;
  options.dir = dir;
  options.background = false;
  options.readers = 2;
  return options;
}

inline std::unique_ptr<Store> open_store(StoreOptions options, const Clock& clock) {
  auto opened = Store::open(std::move(options), clock);
  if (!opened.ok()) {
    ADD_FAILURE() << opened.error().message;
    return nullptr;
  }
  return std::move(opened).value();
}

// "" when ok, so that EXPECT_EQ(problem(...), "") shows the message.
template <typename T>
std::string problem(const Result<T>& result) {
  return result.ok() ? ""
                     : std::string(code_name(result.error().code)) + ": " + result.error().message;
}

inline std::vector<std::string> ids_of(const PostPage& page) {
  std::vector<std::string> ids;
  ids.reserve(page.posts.size());
  for (const StoredPost& stored : page.posts) ids.push_back(stored.post.id);
  return ids;
}

}  // namespace tidewatch::store_test
