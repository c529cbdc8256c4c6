// SPDX-License-Identifier: Apache-2.0
#include "alert/evidence_choice.h"

#include <algorithm>

namespace tidewatch {
namespace {

std::vector<std::string_view> texts_of(std::span<const EvidencePost> posts, bool only_negative) {
  std::vector<std::string_view> texts;
  std::set<std::string_view> seen;
  for (const EvidencePost& post : posts) {
    if (post.text.empty() || (only_negative && !post.negative)) continue;
    if (seen.insert(post.text).second) texts.emplace_back(post.text);
  }
  return texts;
}

}  // namespace

void EvidenceChoice::add(std::span<const EvidencePost> posts, const Rules& rules) {
  if (rules.start_anew) {
    EvidenceChoice anew;
    Rules same = rules;
    same.start_anew = false;
    anew.add(posts, same);
    if (anew.ids_.size() >= rules.ids_wanted) {
      *this = std::move(anew);
      return;
    }
  }
  if (rules.negative_only) {
    choose(posts, rules.ids_max, true);
    choose(posts, std::min(rules.ids_wanted, rules.ids_max), false);
  } else {
    choose(posts, rules.ids_max, false);
  }
}

void EvidenceChoice::choose(std::span<const EvidencePost> posts, std::size_t ids_max,
                            bool negative) {
  for (const int pass : {0, 1, 2}) {
    for (const EvidencePost& post : posts) {
      if (ids_.size() >= ids_max) return;
      if (negative && !post.negative) continue;
      if (std::find(ids_.begin(), ids_.end(), post.id) != ids_.end()) continue;
      const bool new_text = !post.text.empty() && !texts_.contains(post.text_hash);
      const bool new_author = post.author.empty() || !authors_.contains(post.author);
      if (pass <= 1 && !new_text) continue;
      if (pass == 0 && !new_author) continue;
      ids_.push_back(post.id);
      texts_.insert(post.text_hash);
      if (!post.author.empty()) authors_.insert(post.author);
    }
  }
}

std::vector<std::string_view> distinct_texts(std::span<const EvidencePost> posts, bool negative,
                                             std::size_t wanted) {
  if (negative) {
    std::vector<std::string_view> texts = texts_of(posts, true);
    if (texts.size() >= wanted) return texts;
  }
  return texts_of(posts, false);
}

}  // namespace tidewatch
