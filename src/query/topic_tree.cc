// SPDX-License-Identifier: Apache-2.0
#include "query/topic_tree.h"

#include <algorithm>
#include <span>

namespace tidewatch {
namespace {

// Names that people write; those whose label a model does not have are left out.
constexpr std::pair<std::string_view, std::string_view> kTopicAliases[] = {
    {"三农", "agriculture"},   {"汽车", "car"},     {"文化", "culture"}, {"教育", "edu"},
    {"娱乐", "entertainment"}, {"财经", "finance"}, {"游戏", "game"},    {"房产", "house"},
    {"军事", "military"},      {"体育", "sports"},  {"故事", "story"},   {"科技", "tech"},
    {"旅游", "travel"},        {"国际", "world"}};
constexpr std::pair<std::string_view, std::string_view> kEmotionAliases[] = {
    {"愤怒", "angry"},   {"恐惧", "fear"}, {"高兴", "happy"},
    {"中性", "neutral"}, {"悲伤", "sad"},  {"惊讶", "surprise"}};

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

using Names = std::map<std::string, std::uint64_t, std::less<>>;

Names label_names(const std::vector<std::string>& labels,
                  std::span<const std::pair<std::string_view, std::string_view>> aliases) {
  Names names;
  for (std::size_t i = 0; i < labels.size(); ++i) names[labels[i]] = std::uint64_t{1} << i;
  names["unknown"] = std::uint64_t{1} << labels.size();
  for (const auto& [alias, label] : aliases) {
    const auto found = names.find(label);
    if (found != names.end()) names.emplace(alias, found->second);
  }
  return names;
}

std::string joined(const Names& names) {
  std::string out;
  for (const auto& [name, bits] : names) {
    if (static_cast<unsigned char>(name[0]) >= 0x80) continue;  // aliases go without saying
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace

std::vector<TopicTree::Group> TopicTree::default_groups() {
  return {{"economy", {"agriculture", "car", "finance", "house", "tech"}},
          {"leisure", {"entertainment", "game", "sports", "story", "travel"}},
          {"society", {"culture", "edu", "military", "world"}}};
}

Result<TopicTree> TopicTree::create(const LabelSchema& labels, const std::vector<Group>& groups) {
  TopicTree tree;
  tree.topics_ = label_names(labels.topics, kTopicAliases);
  tree.emotions_ = label_names(labels.emotions, kEmotionAliases);
  std::uint64_t negative = 0;
  for (std::size_t i = 0; i < labels.negative.size(); ++i) {
    if (labels.negative[i]) negative |= std::uint64_t{1} << i;
  }
  if (negative != 0) tree.emotions_.emplace("negative", negative);
  if (negative != 0) tree.emotions_.emplace("负面", negative);

  std::vector<Group> open;
  for (const auto& [name, members] : groups) {
    if (tree.topics_.contains(lower(name))) {
      return Error{Code::kInvalidArgument,
                   "topics." + name + ": is a topic of the models; name the group otherwise"};
    }
    open.emplace_back(lower(name), members);
  }
  for (Group& group : default_groups()) {
    const bool taken = std::any_of(open.begin(), open.end(),
                                   [&](const Group& other) { return other.first == group.first; });
    // A model with other topics has no use for them.
    std::erase_if(group.second, [&](const std::string& t) { return !tree.topics_.contains(t); });
    if (!taken && !group.second.empty()) open.push_back(std::move(group));
  }
  // A group is closed when all of its members are: as many rounds as the tree is deep.
  while (!open.empty()) {
    const std::size_t before = open.size();
    std::erase_if(open, [&](const Group& group) {
      std::uint64_t bits = 0;
      for (const std::string& member : group.second) {
        const std::uint64_t one = tree.topics(member);
        if (one == 0) return false;
        bits |= one;
      }
      return bits != 0 && tree.topics_.emplace(group.first, bits).second;
    });
    if (open.size() < before) continue;
    for (const std::string& member : open.front().second) {
      if (tree.topics(member) != 0) continue;
      return Error{
          Code::kInvalidArgument,
          "topics." + open.front().first + ": '" + member +
              "' is no topic, or a group that holds itself; topics and groups known here: " +
              tree.topic_names()};
    }
    return Error{Code::kInvalidArgument, "topics." + open.front().first +
                                             ": is empty or given twice; list its topics once"};
  }
  return tree;
}

std::uint64_t TopicTree::topics(std::string_view name) const {
  const auto found = topics_.find(lower(name));
  return found == topics_.end() ? 0 : found->second;
}

std::uint64_t TopicTree::emotions(std::string_view name) const {
  const auto found = emotions_.find(lower(name));
  return found == emotions_.end() ? 0 : found->second;
}

std::string TopicTree::topic_names() const { return joined(topics_); }
std::string TopicTree::emotion_names() const { return joined(emotions_); }

}  // namespace tidewatch
