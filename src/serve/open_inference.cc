// SPDX-License-Identifier: Apache-2.0
#include "serve/open_inference.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tidewatch {
namespace {

static_assert(std::endian::native == std::endian::little);  // else packed numbers must be swapped

bool is_emotion(InferOutput output) {
  return output == InferOutput::kEmotion || output == InferOutput::kEmotionProb;
}
bool is_labels(InferOutput output) {
  return output == InferOutput::kEmotion || output == InferOutput::kTopic;
}
std::size_t width(InferOutput output, const LabelSchema& labels) {
  return is_emotion(output) ? labels.emotions.size() : labels.topics.size();
}

Error bad_shape(std::span<const std::int64_t> shape) {
  std::string text = "input 'text' has shape [";
  for (std::size_t i = 0; i < shape.size() && i < 8; ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  return {Code::kInvalidArgument,
          text + "]; it must be [n] or [n,1] with n from 1 to " + std::to_string(kInferTextsMax)};
}

}  // namespace

std::string_view output_name(InferOutput output) noexcept {
  switch (output) {
    case InferOutput::kEmotion:
      return "emotion";
    case InferOutput::kTopic:
      return "topic";
    case InferOutput::kEmotionProb:
      return "emotion_prob";
    case InferOutput::kTopicProb:
      return "topic_prob";
  }
  return "";
}

std::string_view output_datatype(InferOutput output) noexcept {
  return is_labels(output) ? "BYTES" : "FP32";
}

std::vector<std::int64_t> output_shape(InferOutput output, std::int64_t n,
                                       const LabelSchema& labels) {
  if (is_labels(output)) return {n};
  return {n, static_cast<std::int64_t>(width(output, labels))};
}

Result<InferOutput> find_output(std::string_view name) {
  for (const InferOutput output : kInferOutputs) {
    if (name == output_name(output)) return output;
  }
  return Error{Code::kInvalidArgument, "there is no output '" + std::string(name) +
                                           "'; there are emotion, topic, emotion_prob and "
                                           "topic_prob"};
}

Result<std::size_t> text_count(std::string_view name, std::string_view datatype,
                               std::span<const std::int64_t> shape) {
  if (name != kTextInput) {
    return Error{Code::kInvalidArgument,
                 "there is no input '" + std::string(name) + "'; the input is called 'text'"};
  }
  if (datatype != "BYTES") {
    return Error{Code::kInvalidArgument,
                 "input 'text' has the datatype '" + std::string(datatype) + "'; it must be BYTES"};
  }
  const bool fits = shape.size() == 1 || (shape.size() == 2 && shape[1] == 1);
  if (!fits || shape[0] < 1 || shape[0] > static_cast<std::int64_t>(kInferTextsMax)) {
    return bad_shape(shape);
  }
  return static_cast<std::size_t>(shape[0]);
}

Result<std::vector<std::string>> unpack_texts(std::string_view raw, std::size_t count) {
  std::vector<std::string> texts;
  texts.reserve(count);
  while (!raw.empty() && texts.size() < count) {
    std::uint32_t size = 0;
    if (raw.size() < sizeof size) break;
    std::memcpy(&size, raw.data(), sizeof size);
    raw.remove_prefix(sizeof size);
    if (raw.size() < size) {
      return Error{Code::kInvalidArgument,
                   "the data of input 'text' ends within element " + std::to_string(texts.size())};
    }
    texts.emplace_back(raw.substr(0, size));
    raw.remove_prefix(size);
  }
  if (texts.size() != count || !raw.empty()) {
    return Error{Code::kInvalidArgument, "the data of input 'text' does not hold exactly the " +
                                             std::to_string(count) +
                                             " elements that its shape names"};
  }
  return texts;
}

std::vector<std::string_view> output_labels(InferOutput output, const ClassifyResult& result,
                                            const LabelSchema& labels) {
  std::vector<std::string_view> names;
  names.reserve(result.scores.size());
  for (const Scores& scores : result.scores) {
    names.push_back(is_emotion(output) ? labels.emotion_name(scores.emotion)
                                       : labels.topic_name(scores.topic));
  }
  return names;
}

std::vector<float> output_numbers(InferOutput output, const ClassifyResult& result,
                                  const LabelSchema& labels) {
  const std::size_t columns = width(output, labels);
  std::vector<float> numbers;
  numbers.reserve(result.scores.size() * columns);
  for (const Scores& scores : result.scores) {
    const float* row = is_emotion(output) ? scores.emotion_prob.data() : scores.topic_prob.data();
    numbers.insert(numbers.end(), row, row + columns);
  }
  return numbers;
}

std::string pack_output(InferOutput output, const ClassifyResult& result,
                        const LabelSchema& labels) {
  std::string raw;
  if (!is_labels(output)) {
    const std::vector<float> numbers = output_numbers(output, result, labels);
    raw.resize(numbers.size() * sizeof(float));
    if (!numbers.empty()) std::memcpy(raw.data(), numbers.data(), raw.size());
    return raw;
  }
  for (const std::string_view name : output_labels(output, result, labels)) {
    const auto size = static_cast<std::uint32_t>(name.size());
    char bytes[sizeof size];
    std::memcpy(bytes, &size, sizeof size);
    raw.append(bytes, sizeof size);
    raw += name;
  }
  return raw;
}

Result<ServedModel> find_model(Engine& engine, std::string_view name, std::string_view version) {
  std::string known;
  for (ServedModel& model : engine.served_models()) {
    if (model.name == name && (version.empty() || model.version == version)) {
      return std::move(model);
    }
    known += (known.empty() ? "" : ", ") + model.name + " version " + model.version;
  }
  std::string asked = "no model '" + std::string(name) + "'";
  if (!version.empty()) asked += " version " + std::string(version);
  return Error{Code::kNotFound,
               asked + " is served; there is: " + (known.empty() ? "none" : known)};
}

Result<Priority> infer_priority(std::uint64_t priority) {
  switch (priority) {
    case 0:
      return Priority::kNormal;
    case 1:
      return Priority::kHigh;
    case 2:
      return Priority::kLow;
    default:
      return Error{Code::kInvalidArgument, "priority must be 0 (normal), 1 (high) or 2 (low)"};
  }
}

}  // namespace tidewatch
