// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/request_limits.h"
#include "core/result.h"
#include "serve/engine.h"

namespace tidewatch {

// The Open Inference Protocol (KServe v2) apart from its two wires, HTTP with JSON
// (open_inference_json.h) and gRPC (grpc/inference_service.h): which tensors there are, how their
// bytes are packed, and what a request may ask.
//
//   input   text          BYTES [n] or [n,1]
//   output  emotion       BYTES [n]         topic       BYTES [n]
//           emotion_prob  FP32 [n,E]        topic_prob  FP32 [n,T]     by the order of the labels

inline constexpr std::string_view kTextInput = "text";
inline constexpr std::size_t kInferTextsMax = 1'024;  // in one request

enum class InferOutput : std::uint8_t { kEmotion, kTopic, kEmotionProb, kTopicProb };
inline constexpr std::array kInferOutputs = {InferOutput::kEmotion, InferOutput::kTopic,
                                             InferOutput::kEmotionProb, InferOutput::kTopicProb};

std::string_view output_name(InferOutput output) noexcept;
std::string_view output_datatype(InferOutput output) noexcept;  // "BYTES" or "FP32"
// [n] or [n, labels].
std::vector<std::int64_t> output_shape(InferOutput output, std::int64_t n,
                                       const LabelSchema& labels);
// kInvalidArgument names what there is.
Result<InferOutput> find_output(std::string_view name);

// Checks an input tensor and gives its number of texts.
Result<std::size_t> text_count(std::string_view name, std::string_view datatype,
                               std::span<const std::int64_t> shape);

// BYTES as bytes: each element after its length as 4 bytes, least significant first.
Result<std::vector<std::string>> unpack_texts(std::string_view raw, std::size_t count);
// The elements of a BYTES output.
std::vector<std::string_view> output_labels(InferOutput output, const ClassifyResult& result,
                                            const LabelSchema& labels);
// The elements of an FP32 output, row by row.
std::vector<float> output_numbers(InferOutput output, const ClassifyResult& result,
                                  const LabelSchema& labels);
// Either as bytes: BYTES as above, FP32 least significant byte first.
std::string pack_output(InferOutput output, const ClassifyResult& result,
                        const LabelSchema& labels);

// The model by that name, and of that version unless it is empty. kNotFound says what there is.
Result<ServedModel> find_model(Engine& engine, std::string_view name, std::string_view version);

// The protocol's parameters `timeout` (microseconds, 0: none) and `priority` (0 normal, 1 high,
// 2 low).
Result<Priority> infer_priority(std::uint64_t priority);

// The extensions that are answered, for the server's metadata.
inline constexpr std::array<std::string_view, 4> kInferExtensions = {
    "binary_tensor_data", "model_repository", "model_configuration", "statistics"};
inline constexpr std::string_view kInferServerName = "tidewatch";
inline constexpr std::string_view kInferServerVersion = "1";

}  // namespace tidewatch
