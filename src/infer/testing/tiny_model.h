// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace tidewatch {

// A model that labels tokens, for tests: a look-up table as an OpenVINO IR graph with a vocabulary
// of seven entries, [PAD] [UNK] [CLS] [SEP] 天 地 人. Output word_scores [batch, seq, 3] has the
// scores of O, B and I for each token: 天 is best an O, 地 an I, 人 a B; [CLS] and [SEP] are so
// strongly an I that any path which they were part of would show it. emotion_logits and
// topic_logits [batch, 3] are the mean over the text.
//
// Makes `folder` with graph and vocabulary; returns the manifest, without a sequence task, for the
// test to write.
nlohmann::json make_tiny_model(const std::filesystem::path& folder);

// A sequence task for it: an I must follow a B or an I.
nlohmann::json tiny_sequence_task();

void write_manifest(const std::filesystem::path& folder, const nlohmann::json& manifest);

}  // namespace tidewatch
