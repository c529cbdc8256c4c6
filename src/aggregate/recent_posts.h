// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "aggregate/window_counts.h"
#include "ingest/post.h"

namespace tidewatch {

// An account within a wave.
struct WaveAccount {
  std::string author;
  std::uint64_t posts = 0;     // by it
  std::uint64_t reposted = 0;  // reposts, by others, of posts by it
  bool operator==(const WaveAccount&) const = default;
};

// The largest repost cascade of a wave, as Vosoughi, Roy and Aral measure one (Science 359, 2018):
// depth is the longest way from the root, breadth the most posts at one depth. A stream whose
// reposts all name the head of their cascade has depth 1.
struct WaveCascade {
  std::string root;         // id of the post at its head, which may be older than what is seen
  std::uint64_t posts = 0;  // reposts
  std::uint64_t depth = 0;
  std::uint64_t breadth = 0;
  bool operator==(const WaveCascade&) const = default;
};

// Who drives a wave, and how it spreads. Of the posts that RecentPosts still holds.
struct WaveShape {
  std::uint64_t posts = 0;            // looked at
  std::vector<WaveAccount> accounts;  // with two or more posts and reposts, the most first
  WaveCascade cascade;                // posts 0: none of kCascadePostsMin or more
};
inline constexpr std::size_t kWaveAccountsMax = 5;
inline constexpr std::uint64_t kCascadePostsMin = 3;

// The last posts that were counted, with the keys that they were counted under: what the shape of
// a wave is read from when it is to be told. A ring; adding costs three short copies, reading is
// linear in the ring. Not thread-safe. Deterministic.
class RecentPosts {
 public:
  // Of a post; further ones do not find it. Enough for all but the last of a crowd of rules.
  static constexpr std::size_t kKeysMax = 48;

  explicit RecentPosts(std::size_t posts_max) : posts_max_(posts_max) {}

  void add(const Post& post, std::int64_t second, std::span<const KeyId> keys);
  // The posts of the key of `since` (Unix seconds) or later.
  WaveShape shape(KeyId key, std::int64_t since) const;
  std::size_t memory_bytes() const;

 private:
  struct Entry {
    std::int64_t second = 0;
    std::array<KeyId, kKeysMax> keys{};
    std::uint8_t num_keys = 0;
    std::string id;
    std::string author;
    std::string repost_of;
  };

  std::size_t posts_max_;
  std::size_t next_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace tidewatch
