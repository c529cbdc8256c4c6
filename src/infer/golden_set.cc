// SPDX-License-Identifier: Apache-2.0
#include "infer/golden_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace tidewatch {
namespace {

using nlohmann::json;

std::uint8_t label_of(const json& entry, const char* task, const std::vector<std::string>& names) {
  const auto it = entry.find(task);
  if (it == entry.end() || !it->is_string()) return kNoLabel;
  const auto found = std::find(names.begin(), names.end(), it->get_ref<const std::string&>());
  return found == names.end() ? kNoLabel : static_cast<std::uint8_t>(found - names.begin());
}

}  // namespace

Result<std::vector<GoldenText>> parse_golden_set(std::string_view text, const LabelSchema& labels,
                                                 std::string_view name) {
  const json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto fail = [&](std::string_view what) {
    return Error{Code::kInvalidArgument, fmt::format("{}: {}; see docs/models.md", name, what)};
  };
  if (root.is_discarded() || !root.is_object()) return fail("not a JSON object");
  const auto texts = root.find("texts");
  if (texts == root.end() || !texts->is_array() || texts->empty() ||
      texts->size() > kGoldenTextsMax) {
    return fail(fmt::format("'texts' must hold 1 to {} objects", kGoldenTextsMax));
  }
  std::vector<GoldenText> golden;
  for (const json& entry : *texts) {
    const auto it = entry.find("text");
    if (it == entry.end() || !it->is_string() || it->get_ref<const std::string&>().empty()) {
      return fail(fmt::format("texts[{}] has no 'text'", golden.size()));
    }
    golden.push_back({it->get<std::string>(), label_of(entry, "emotion", labels.emotions),
                      label_of(entry, "topic", labels.topics)});
  }
  return golden;
}

}  // namespace tidewatch
