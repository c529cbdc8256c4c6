// SPDX-License-Identifier: Apache-2.0
#include "infer/manifest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

namespace tidewatch {
namespace {

using nlohmann::json;

Error field_error(const std::filesystem::path& file, std::string_view field,
                  std::string_view what) {
  return {Code::kInvalidArgument, fmt::format("{}: field '{}' {}; export the model again with "
                                              "models/train or correct the manifest",
                                              file.string(), field, what)};
}

Result<std::string> read_string(const json& object, const char* field, std::string_view shown,
                                const std::filesystem::path& file) {
  const auto it = object.find(field);
  if (it == object.end()) return field_error(file, shown, "is missing");
  if (!it->is_string() || it->get_ref<const std::string&>().empty()) {
    return field_error(file, shown, "must be a non-empty string");
  }
  return it->get<std::string>();
}

// A file beside the manifest: a plain name, so that a manifest cannot reach outside its folder.
Result<ManifestFile> read_file_entry(const json& root, const char* field,
                                     const std::filesystem::path& file) {
  const auto it = root.find(field);
  if (it == root.end() || !it->is_object()) return field_error(file, field, "must be an object");
  ManifestFile entry;
  TRY_ASSIGN(const std::string name, read_string(*it, "file", fmt::format("{}.file", field), file));
  if (name.find('/') != std::string::npos || name == "..") {
    return field_error(file, fmt::format("{}.file", field), "must be a plain file name");
  }
  entry.path = file.parent_path() / name;
  TRY_ASSIGN(entry.sha256, read_string(*it, "sha256", fmt::format("{}.sha256", field), file));
  if (entry.sha256.size() != 64 ||
      entry.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return field_error(file, fmt::format("{}.sha256", field), "must be 64 lower-case hex digits");
  }
  return entry;
}

Result<std::vector<std::string>> read_labels(const json& task, std::size_t labels_max,
                                             const std::string& shown,
                                             const std::filesystem::path& file) {
  const auto labels = task.find("labels");
  if (labels == task.end() || !labels->is_array() || labels->empty() ||
      labels->size() > labels_max) {
    return field_error(file, shown, fmt::format("must list 1 to {} labels", labels_max));
  }
  std::vector<std::string> result;
  for (const json& label : *labels) {
    if (!label.is_string()) return field_error(file, shown, "must hold strings");
    std::string text = label.get<std::string>();
    if (std::find(result.begin(), result.end(), text) != result.end()) {
      return field_error(file, shown, fmt::format("lists '{}' twice", text));
    }
    result.push_back(std::move(text));
  }
  return result;
}

Result<ManifestTask> read_task(const json& task, std::size_t labels_max,
                               const std::filesystem::path& file) {
  if (!task.is_object()) return field_error(file, "tasks", "must be an array of objects");
  ManifestTask result;
  TRY_ASSIGN(result.name, read_string(task, "name", "tasks.name", file));
  TRY_ASSIGN(result.output, read_string(task, "output", "tasks.output", file));
  TRY_ASSIGN(result.labels,
             read_labels(task, labels_max, fmt::format("tasks[{}].labels", result.name), file));
  return result;
}

// Adds `count` log scores to `values`; null is -infinity (JSON has no such number).
Status read_log_scores(const json& list, std::size_t count, const std::string& shown,
                       const std::filesystem::path& file, std::vector<float>& values) {
  if (!list.is_array() || list.size() != count) {
    return field_error(file, shown, fmt::format("must hold {} numbers, one a label", count));
  }
  for (const json& entry : list) {
    if (entry.is_null()) {
      values.push_back(-std::numeric_limits<float>::infinity());
      continue;
    }
    const float value = entry.is_number() ? entry.get<float>() : NAN;
    if (!std::isfinite(value)) {
      return field_error(file, shown, "must hold numbers that fit in FP32, or null (forbidden)");
    }
    values.push_back(value);
  }
  return {};
}

Result<SequenceTask> read_sequence(const json& entry, const std::filesystem::path& file) {
  if (!entry.is_object()) return field_error(file, "sequence", "must be an object");
  SequenceTask task;
  TRY_ASSIGN(task.name, read_string(entry, "name", "sequence.name", file));
  if (task.name == "emotion" || task.name == "topic") {
    return field_error(file, "sequence.name", "must not be that of another task");
  }
  TRY_ASSIGN(task.output, read_string(entry, "output", "sequence.output", file));
  TRY_ASSIGN(task.labels, read_labels(entry, kViterbiLabelsMax, "sequence.labels", file));
  TRY_ASSIGN(const std::string decoder, read_string(entry, "decoder", "sequence.decoder", file));
  if (decoder != "viterbi" && decoder != "argmax") {
    return field_error(file, "sequence.decoder", "must be \"viterbi\" or \"argmax\"");
  }
  task.decoder = decoder == "viterbi" ? SequenceDecoder::kViterbi : SequenceDecoder::kArgmax;
  for (const char* field : {"transitions", "start", "end"}) {
    const std::string shown = fmt::format("sequence.{}", field);
    if (entry.contains(field) != (decoder == "viterbi")) {
      return field_error(
          file, shown,
          decoder == "viterbi" ? "is missing: viterbi needs it" : "means nothing to argmax");
    }
  }
  if (task.decoder == SequenceDecoder::kArgmax) return task;
  const std::size_t labels = task.labels.size();
  const json& rows = entry["transitions"];
  if (!rows.is_array() || rows.size() != labels) {
    return field_error(file, "sequence.transitions",
                       fmt::format("must hold {} rows, one a label", labels));
  }
  for (std::size_t i = 0; i < labels; ++i) {
    TRY(read_log_scores(rows[i], labels, fmt::format("sequence.transitions[{}]", i), file,
                        task.transitions));
  }
  TRY(read_log_scores(entry["start"], labels, "sequence.start", file, task.start));
  TRY(read_log_scores(entry["end"], labels, "sequence.end", file, task.end));
  return task;
}

Result<std::uint32_t> read_count(const json& object, const char* field, std::string_view shown,
                                 std::uint32_t low, std::uint32_t high,
                                 const std::filesystem::path& file) {
  const auto it = object.find(field);
  if (it == object.end()) return field_error(file, shown, "is missing");
  if (!it->is_number_unsigned() || it->get<std::uint64_t>() < low ||
      it->get<std::uint64_t>() > high) {
    return field_error(file, shown, fmt::format("must be a number from {} to {}", low, high));
  }
  return it->get<std::uint32_t>();
}

Status read_tasks(const json& root, const std::filesystem::path& file, ModelManifest& manifest) {
  const auto tasks = root.find("tasks");
  if (tasks == root.end() || !tasks->is_array()) {
    return field_error(file, "tasks", "must be an array");
  }
  for (const json& entry : *tasks) {
    TRY_ASSIGN(ManifestTask task, read_task(entry, kTopicsMax, file));
    if (task.name == "emotion") {
      const auto negative = entry.find("negative");
      if (negative == entry.end() || !negative->is_array()) {
        return field_error(file, "tasks[emotion].negative", "must list the negative emotions");
      }
      for (const std::string& label : task.labels) {
        manifest.labels.negative.push_back(std::find(negative->begin(), negative->end(), label) !=
                                           negative->end());
      }
      for (const json& label : *negative) {
        if (std::none_of(task.labels.begin(), task.labels.end(),
                         [&](const std::string& known) { return label == known; })) {
          return field_error(file, "tasks[emotion].negative", "names a label that is not there");
        }
      }
      manifest.emotion = std::move(task);
    } else if (task.name == "topic") {
      manifest.topic = std::move(task);
    }  // other tasks are for later versions
  }
  if (manifest.emotion.labels.empty() || manifest.emotion.labels.size() > kEmotionsMax) {
    return field_error(file, "tasks",
                       fmt::format("needs 'emotion' with 1 to {} labels", kEmotionsMax));
  }
  if (manifest.topic.labels.empty() || manifest.topic.labels.size() > kTopicsMax) {
    return field_error(file, "tasks", fmt::format("needs 'topic' with 1 to {} labels", kTopicsMax));
  }
  manifest.labels.emotions = manifest.emotion.labels;
  manifest.labels.topics = manifest.topic.labels;
  const auto neutral =
      std::find(manifest.labels.emotions.begin(), manifest.labels.emotions.end(), "neutral");
  if (neutral == manifest.labels.emotions.end()) {
    return field_error(file, "tasks[emotion].labels", "must hold 'neutral'");
  }
  manifest.labels.neutral =
      static_cast<std::uint8_t>(std::distance(manifest.labels.emotions.begin(), neutral));
  return {};
}

std::optional<double> read_share(const json& object, const char* field) {
  const auto it = object.find(field);
  if (it == object.end() || !it->is_number()) return std::nullopt;
  const double value = it->get<double>();
  return value >= 0 && value <= 1 ? std::optional{value} : std::nullopt;
}

// For people, so what has another form is passed over: it keeps no model from being loaded.
std::vector<PublishedFigure> read_published(const json& root) {
  std::vector<PublishedFigure> figures;
  const auto metrics = root.find("metrics");
  if (metrics == root.end() || !metrics->is_object()) return figures;
  for (const auto& [data, entry] : metrics->items()) {
    if (!entry.is_object()) continue;
    const auto accuracy = read_share(entry, "accuracy");
    if (!accuracy) continue;
    PublishedFigure figure{.data = data,
                           .task = {},
                           .texts = 0,
                           .accuracy = *accuracy,
                           .macro_f1 = read_share(entry, "macro_f1")};
    if (const auto task = entry.find("task"); task != entry.end() && task->is_string()) {
      figure.task = task->get<std::string>();
    }
    if (const auto n = entry.find("n"); n != entry.end() && n->is_number_unsigned()) {
      figure.texts = n->get<std::uint64_t>();
    }
    figures.push_back(std::move(figure));
  }
  std::stable_sort(figures.begin(), figures.end(),
                   [](const auto& a, const auto& b) { return a.task < b.task; });
  return figures;
}

}  // namespace

Result<std::string> sha256_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Code::kNotFound, fmt::format("{}: cannot be read", path.string())};
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::array<char, 1 << 16> buffer{};
  while (in.read(buffer.data(), buffer.size()) || in.gcount() > 0) {
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i)
    fmt::format_to(std::back_inserter(hex), "{:02x}", digest[i]);
  return hex;
}

Result<ModelManifest> read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path file = std::filesystem::absolute(folder) / "manifest.json";
  std::ifstream in(file);
  if (!in) {
    return Error{
        Code::kNotFound,
        fmt::format("{}: no such file; `tidewatch models` lists what is there", file.string())};
  }
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return parse_manifest(text, file);
}

Result<ModelManifest> parse_manifest(std::string_view text, const std::filesystem::path& file) {
  const json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded() || !root.is_object()) {
    return Error{Code::kInvalidArgument, fmt::format("{}: not a JSON object", file.string())};
  }
  ModelManifest manifest;
  TRY_ASSIGN(const std::uint32_t format, read_count(root, "format", "format", 1, 1, file));
  static_cast<void>(format);
  TRY_ASSIGN(manifest.name, read_string(root, "name", "name", file));
  TRY_ASSIGN(manifest.version, read_string(root, "version", "version", file));
  TRY_ASSIGN(manifest.precision, read_string(root, "precision", "precision", file));
  TRY_ASSIGN(manifest.max_length, read_count(root, "max_length", "max_length", 8, 512, file));
  if (root.contains("description")) {
    TRY_ASSIGN(manifest.description, read_string(root, "description", "description", file));
  }
  TRY_ASSIGN(manifest.weights, read_file_entry(root, "weights", file));
  TRY_ASSIGN(manifest.vocabulary, read_file_entry(root, "vocabulary", file));
  TRY_ASSIGN(manifest.vocabulary_size,
             read_count(root["vocabulary"], "size", "vocabulary.size", 5, 1'000'000, file));
  if (root.contains("calibration")) {
    TRY_ASSIGN(manifest.calibration, read_file_entry(root, "calibration", file));
  }
  TRY(read_tasks(root, file, manifest));
  if (const auto sequence = root.find("sequence"); sequence != root.end()) {
    TRY_ASSIGN(manifest.sequence, read_sequence(*sequence, file));
  }
  manifest.published = read_published(root);
  return manifest;
}

Status verify_manifest_file(const ManifestFile& file) {
  TRY_ASSIGN(const std::string digest, sha256_of_file(file.path));
  if (digest != file.sha256) {
    return Error{Code::kDataLoss,
                 fmt::format("{}: sha256 is {} but the manifest says {}; the file is truncated or "
                             "of another version: fetch it again",
                             file.path.string(), digest, file.sha256)};
  }
  return {};
}

Status verify_manifest_files(const ModelManifest& manifest) {
  TRY(verify_manifest_file(manifest.vocabulary));
  TRY(verify_manifest_file(manifest.weights));
  return {};
}

}  // namespace tidewatch
