// SPDX-License-Identifier: Apache-2.0
#include "app/bench/store_corpus.h"

#include <algorithm>
#include <array>

#include "simulate/topics.h"

namespace tidewatch {

const LabelSchema& simulated_labels() {
  static const LabelSchema labels = [] {
    LabelSchema made;
    for (std::size_t i = 0; i < kNumNewsTopics; ++i) made.topics.emplace_back(kSimulatedTopics[i]);
    for (const std::string_view emotion : kSimulatedEmotions) {
      made.emotions.emplace_back(emotion);
      made.negative.push_back(is_negative(static_cast<Emotion>(made.emotions.size() - 1)));
    }
    made.neutral = static_cast<std::uint8_t>(Emotion::kNeutral);
    return made;
  }();
  return labels;
}

StoreCorpus::StoreCorpus(const Options& options, const Clock& clock)
    : options_(options), decoder_(DecodeLimits{}, clock, fresh_ids_) {
  start_run();
}

// The simulator ends with its time; another run of it goes on with other posts.
void StoreCorpus::start_run() {
  SimulateOptions simulate;
  simulate.seed = options_.seed + run_++;
  simulate.duration = options_.span;
  const double seconds = std::chrono::duration<double>(std::chrono::seconds{options_.span}).count();
  simulate.posts_per_second = static_cast<double>(options_.posts) / seconds;
  simulate.start = options_.end - options_.span;
  simulator_ = std::make_unique<Simulator>(simulate);
}

ScoredPost StoreCorpus::next() {
  while (!simulator_->next(line_)) start_run();
  ScoredPost scored;
  auto decoded = decoder_.decode(line_);
  if (Post* const post = std::get_if<Post>(&decoded)) scored.post = std::move(*post);
  const PostTruth& truth = simulator_->last_post();
  ++made_;
  scored.post.id = options_.id_prefix + std::to_string(made_);
  if (made_ % kRarePosts == kRarePosts / 2) (scored.post.text += ' ') += kRareWord;
  Scores& scores = scored.scores;
  scores.emotion = static_cast<std::uint8_t>(index_of(kSimulatedEmotions, truth.emotion));
  if (scored.post.text.empty()) return scored;
  scores.model = {1};
  const std::size_t topic = index_of(kSimulatedTopics, truth.topic);
  scores.topic = topic < kNumNewsTopics ? static_cast<std::uint8_t>(topic) : kNoLabel;
  scores.emotion_prob.fill(0.05F);
  scores.topic_prob.fill(0.03F);
  if (scores.emotion < kEmotionsMax) scores.emotion_prob[scores.emotion] = 0.75F;
  if (scores.topic < kTopicsMax) scores.topic_prob[scores.topic] = 0.6F;
  scored.text_hash = made_;
  return scored;
}

}  // namespace tidewatch
