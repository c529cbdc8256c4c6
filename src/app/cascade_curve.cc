// SPDX-License-Identifier: Apache-2.0
#include "app/cascade_curve.h"

#include <cassert>

#include "infer/cascade.h"
#include "infer/classification_report.h"

namespace tidewatch {

std::vector<CascadeCurvePoint> cascade_curve(bool emotion, float topic_floor,
                                             std::span<const Scores> first,
                                             std::span<const Scores> second,
                                             std::span<const std::uint8_t> truth,
                                             std::size_t num_labels) {
  assert(first.size() == truth.size() && second.size() == truth.size());
  const auto label = [&](const Scores& s) { return emotion ? s.emotion : s.topic; };
  std::vector<CascadeCurvePoint> curve;
  for (std::size_t step = 0; step < kCascadeCurvePoints; ++step) {
    CascadeCurvePoint point;
    point.margin = static_cast<double>(step) / (kCascadeCurvePoints - 1);
    CascadeMargins margins{0, 0, topic_floor};
    (emotion ? margins.emotion : margins.topic) = point.margin;
    std::vector<LabelPair> pairs;
    std::uint64_t escalated = 0;
    std::uint64_t agreed = 0;
    for (std::size_t i = 0; i < first.size(); ++i) {
      const bool escalate = first[i].model.value != 0 && cascade_doubt(margins, first[i]).any();
      const std::uint8_t predicted = label(escalate ? second[i] : first[i]);
      escalated += escalate;
      agreed += predicted == label(second[i]);
      pairs.push_back({truth[i], predicted});
    }
    const ClassificationReport report = classification_report(confusion_matrix(pairs, num_labels));
    const double n = first.empty() ? 1.0 : static_cast<double>(first.size());
    point.escalated = static_cast<double>(escalated) / n;
    point.agreement = static_cast<double>(agreed) / n;
    point.accuracy = report.accuracy;
    point.macro_f1 = report.macro_f1;
    curve.push_back(point);
  }
  return curve;
}

}  // namespace tidewatch
