// SPDX-License-Identifier: Apache-2.0
#include "infer/scores.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "infer/backend.h"

namespace tidewatch {
namespace {

// Softmax of `logits` into `out`; returns the index of the largest.
std::uint8_t softmax(std::span<const float> logits, std::span<float> out) noexcept {
  assert(!logits.empty() && logits.size() <= out.size());
  const auto best = std::max_element(logits.begin(), logits.end());
  float sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    out[i] = std::exp(logits[i] - *best);
    sum += out[i];
  }
  for (std::size_t i = 0; i < logits.size(); ++i) out[i] /= sum;
  return static_cast<std::uint8_t>(best - logits.begin());
}

class NullBackend final : public Backend {
 public:
  explicit NullBackend(std::uint8_t neutral) : neutral_(neutral) {
    shapes_.batch_max = 256;
    shapes_.instances = 1;
  }
  std::string name() const override { return "none"; }
  std::string precision() const override { return "none"; }
  const BackendShapes& shapes() const override { return shapes_; }
  Status run(std::size_t /*instance*/, const RaggedBatch& batch,
             std::span<Scores> scores) override {
    assert(batch.size() == scores.size());
    static_cast<void>(batch);
    for (Scores& s : scores) {
      s = Scores{};
      s.emotion = neutral_;
      if (neutral_ < kEmotionsMax) s.emotion_prob[neutral_] = 1.0F;
    }
    return {};
  }
  std::uint64_t memory_bytes() const override { return sizeof(*this); }
  void close() override {}

 private:
  const std::uint8_t neutral_;
  BackendShapes shapes_;
};

}  // namespace

void fill_scores(std::span<const float> emotion_logits, std::span<const float> topic_logits,
                 Scores& scores) noexcept {
  scores = Scores{};
  scores.emotion = softmax(emotion_logits, scores.emotion_prob);
  scores.topic = softmax(topic_logits, scores.topic_prob);
}

std::unique_ptr<Backend> make_null_backend(const LabelSchema& labels) {
  return std::make_unique<NullBackend>(labels.neutral);
}

}  // namespace tidewatch
