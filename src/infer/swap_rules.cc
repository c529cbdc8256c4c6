// SPDX-License-Identifier: Apache-2.0
#include "infer/swap_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace tidewatch {
namespace {

constexpr float kTopicSure = 0.5F;
// Shares are compared with room for the last bit of a division.
constexpr double kSlack = 1e-9;

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

double milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void judge_task(const char* task, const TaskFigures& figures, const SwapLimits& limits,
                std::vector<std::string>& reasons) {
  if (figures.agreement < limits.agreement_min - kSlack) {
    reasons.push_back(fmt::format("{} labels agree on {:.1f} % of {} golden texts, under {:.1f} %",
                                  task, 100 * figures.agreement, figures.compared,
                                  100 * limits.agreement_min));
  }
  if (figures.labelled > 0 && figures.drop() > limits.accuracy_drop_max + kSlack) {
    reasons.push_back(
        fmt::format("{} accuracy falls from {:.1f} to {:.1f} % on {} labelled texts, by more than "
                    "{:.1f} points",
                    task, 100 * figures.accuracy_old, 100 * figures.accuracy_new, figures.labelled,
                    100 * limits.accuracy_drop_max));
  }
}

}  // namespace

GoldenAccuracy golden_accuracy(std::span<const GoldenText> texts, std::span<const Scores> scores) {
  assert(texts.size() == scores.size());
  GoldenAccuracy accuracy;
  std::uint64_t emotion_right = 0;
  std::uint64_t topic_right = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].emotion != kNoLabel) {
      ++accuracy.emotion_texts;
      if (scores[i].emotion == texts[i].emotion) ++emotion_right;
    }
    if (texts[i].topic != kNoLabel) {
      ++accuracy.topic_texts;
      if (scores[i].topic == texts[i].topic) ++topic_right;
    }
  }
  accuracy.emotion = share(emotion_right, accuracy.emotion_texts);
  accuracy.topic = share(topic_right, accuracy.topic_texts);
  return accuracy;
}

SwapFigures compare_golden(std::span<const GoldenText> texts, const GoldenAnswers& old_answers,
                           const GoldenAnswers& new_answers) {
  assert(texts.size() == old_answers.scores.size() && texts.size() == new_answers.scores.size());
  SwapFigures figures;
  figures.texts = texts.size();
  std::uint64_t same_emotion = 0;
  std::uint64_t same_topic = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Scores& was = old_answers.scores[i];
    const Scores& is = new_answers.scores[i];
    ++figures.emotion.compared;
    if (was.emotion == is.emotion) ++same_emotion;
    if (was.topic == kNoLabel || was.topic_prob[was.topic] < kTopicSure) continue;
    ++figures.topic.compared;
    if (was.topic == is.topic) ++same_topic;
  }
  if (figures.emotion.compared > 0) {
    figures.emotion.agreement = share(same_emotion, figures.emotion.compared);
  }
  if (figures.topic.compared > 0)
    figures.topic.agreement = share(same_topic, figures.topic.compared);
  const GoldenAccuracy before = golden_accuracy(texts, old_answers.scores);
  const GoldenAccuracy after = golden_accuracy(texts, new_answers.scores);
  figures.emotion.labelled = before.emotion_texts;
  figures.emotion.accuracy_old = before.emotion;
  figures.emotion.accuracy_new = after.emotion;
  figures.topic.labelled = before.topic_texts;
  figures.topic.accuracy_old = before.topic;
  figures.topic.accuracy_new = after.topic;
  std::vector<double> was_ms;
  std::vector<double> is_ms;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    was_ms.push_back(milliseconds(old_answers.took[i]));
    is_ms.push_back(milliseconds(new_answers.took[i]));
    if (was_ms.back() > 0) ratios.push_back(is_ms.back() / was_ms.back());
  }
  figures.latency_ms_old = median(was_ms);
  figures.latency_ms_new = median(is_ms);
  if (!ratios.empty()) figures.latency_ratio = median(ratios);
  return figures;
}

std::vector<std::string> judge_swap(const SwapFigures& figures, const SwapLimits& limits) {
  std::vector<std::string> reasons;
  judge_task("emotion", figures.emotion, limits, reasons);
  judge_task("topic", figures.topic, limits, reasons);
  if (limits.latency_ratio_max > 0 && figures.latency_ratio > limits.latency_ratio_max + kSlack) {
    reasons.push_back(
        fmt::format("a text takes {:.3f} ms instead of {:.3f}, more than {:.2f} times",
                    figures.latency_ms_new, figures.latency_ms_old, limits.latency_ratio_max));
  }
  return reasons;
}

}  // namespace tidewatch
