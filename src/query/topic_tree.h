// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "infer/scores.h"

namespace tidewatch {

// The names that topic: and emotion: of a query take, and the labels that each stands for: the
// labels of the models themselves, their Chinese names, `negative`, and groups of topics. Groups
// hold topics and other groups: a tree of any depth.
// Immutable once made, may be shared by threads. Sets are bits by label index; topic `unknown` and
// emotion `unknown` (not classified) are the bit past the last label.
class TopicTree {
 public:
  using Group = std::pair<std::string, std::vector<std::string>>;  // name, members

  // The groups that are there without being configured: economy, leisure, society.
  static std::vector<Group> default_groups();

  // Groups of the same name as a default one replace it. kInvalidArgument: a member is neither
  // topic nor group, a group holds itself, or a name is taken by a label.
  static Result<TopicTree> create(const LabelSchema& labels, const std::vector<Group>& groups);

  // 0: no such name. Without regard to ASCII case.
  std::uint64_t topics(std::string_view name) const;
  std::uint64_t emotions(std::string_view name) const;

  // "agriculture, car, …": for messages.
  std::string topic_names() const;
  std::string emotion_names() const;

 private:
  std::map<std::string, std::uint64_t, std::less<>> topics_;
  std::map<std::string, std::uint64_t, std::less<>> emotions_;
};

}  // namespace tidewatch
