// SPDX-License-Identifier: Apache-2.0
#include "aggregate/recent_posts.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

namespace tidewatch {
namespace {

constexpr std::size_t kDepthMax = 1'000;  // longer ones are loops, or made to hurt
constexpr std::size_t kNameBytesMax = 256;

void keep(std::string& to, const std::string& from) { to.assign(from, 0, kNameBytesMax); }

struct Node {
  std::string_view parent;  // empty: an original
  std::string_view author;
};
using Nodes = std::unordered_map<std::string_view, Node>;

struct Place {
  std::string_view root;
  std::size_t depth = 0;
};

// Where a post stands in its cascade; a parent that is not seen is the root.
Place place_of(std::string_view id, const Nodes& nodes) {
  Place place{id, 0};
  for (auto node = nodes.find(id); node != nodes.end() && !node->second.parent.empty();
       node = nodes.find(place.root)) {
    place.root = node->second.parent;
    if (++place.depth >= kDepthMax) break;
  }
  return place;
}

std::vector<WaveAccount> top_accounts(
    const std::unordered_map<std::string_view, WaveAccount>& accounts) {
  std::vector<WaveAccount> top;
  for (const auto& [name, account] : accounts) {
    if (account.posts + account.reposted < 2) continue;
    top.push_back(account);
    top.back().author = name;
  }
  std::sort(top.begin(), top.end(), [](const WaveAccount& a, const WaveAccount& b) {
    const auto weight = [](const WaveAccount& x) { return x.posts + x.reposted; };
    return weight(a) != weight(b) ? weight(a) > weight(b) : a.author < b.author;
  });
  if (top.size() > kWaveAccountsMax) top.resize(kWaveAccountsMax);
  return top;
}

WaveCascade largest_cascade(const Nodes& nodes) {
  // By root, by depth.
  std::unordered_map<std::string_view, std::map<std::size_t, std::uint64_t>> widths;
  for (const auto& [id, node] : nodes) {
    if (node.parent.empty()) continue;
    const Place place = place_of(id, nodes);
    ++widths[place.root][place.depth];
  }
  WaveCascade largest;
  for (const auto& [root, by_depth] : widths) {
    std::uint64_t posts = 0;
    std::uint64_t breadth = 0;
    for (const auto& [depth, count] : by_depth) {
      posts += count;
      breadth = std::max(breadth, count);
    }
    const bool larger =
        posts > largest.posts || (posts == largest.posts && root < largest.root);  // deterministic
    if (posts < kCascadePostsMin || !larger) continue;
    largest = {std::string(root), posts, by_depth.rbegin()->first, breadth};
  }
  return largest;
}

}  // namespace

void RecentPosts::add(const Post& post, std::int64_t second, std::span<const KeyId> keys) {
  if (posts_max_ == 0) return;
  if (entries_.size() < posts_max_) entries_.emplace_back();
  Entry& entry = entries_[next_];
  next_ = (next_ + 1) % posts_max_;
  entry.second = second;
  entry.num_keys = static_cast<std::uint8_t>(std::min(keys.size(), kKeysMax));
  std::copy_n(keys.begin(), entry.num_keys, entry.keys.begin());
  keep(entry.id, post.id);
  keep(entry.author, post.author);
  keep(entry.repost_of, post.repost_of);
}

WaveShape RecentPosts::shape(KeyId key, std::int64_t since) const {
  WaveShape shape;
  Nodes nodes;
  std::unordered_map<std::string_view, WaveAccount> accounts;
  for (const Entry& entry : entries_) {
    const auto last = entry.keys.begin() + entry.num_keys;
    if (entry.second < since || std::find(entry.keys.begin(), last, key) == last) continue;
    ++shape.posts;
    nodes.emplace(entry.id, Node{entry.repost_of, entry.author});
    if (entry.author.empty()) continue;
    WaveAccount& account = accounts[entry.author];
    ++account.posts;
  }
  for (const auto& [id, node] : nodes) {
    const auto parent = nodes.find(node.parent);
    if (node.parent.empty() || parent == nodes.end()) continue;
    const std::string_view author = parent->second.author;
    if (!author.empty() && author != node.author) ++accounts[author].reposted;
  }
  shape.accounts = top_accounts(accounts);
  shape.cascade = largest_cascade(nodes);
  return shape;
}

std::size_t RecentPosts::memory_bytes() const {
  return entries_.capacity() * (sizeof(Entry) + 64);  // ids past 15 bytes lie outside
}

}  // namespace tidewatch
