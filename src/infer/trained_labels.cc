// SPDX-License-Identifier: Apache-2.0
#include "infer/trained_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "infer/manifest.h"

namespace tidewatch {
namespace {

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

Status compare(std::string_view task, std::span<const std::string> listed,
               const WeightsMetadata& metadata) {
  const auto found = metadata.find(fmt::format("tidewatch.labels.{}", task));
  if (found == metadata.end()) return {};
  const std::vector<std::string> trained = lines(found->second);
  const auto [mine, theirs] =
      std::mismatch(listed.begin(), listed.end(), trained.begin(), trained.end());
  if (mine == listed.end() && theirs == trained.end()) return {};
  const auto shown = [](auto it, auto end) {
    return it == end ? std::string{"nothing"} : fmt::format("'{}'", *it);
  };
  return Error{Code::kInvalidArgument,
               fmt::format("label {} of task '{}' is {} in the manifest but {} in the weights, "
                           "which were trained with: {}; correct the manifest's order or export "
                           "the model again with models/train",
                           mine - listed.begin() + 1, task, shown(mine, listed.end()),
                           shown(theirs, trained.end()), fmt::join(trained, ", "))};
}

}  // namespace

Status check_trained_labels(const ModelManifest& manifest, const WeightsMetadata& metadata) {
  for (const ManifestTask* task : {&manifest.emotion, &manifest.topic}) {
    TRY(compare(task->name, task->labels, metadata));
  }
  if (manifest.sequence) {
    TRY(compare(manifest.sequence->name, manifest.sequence->labels, metadata));
  }
  return {};
}

}  // namespace tidewatch
