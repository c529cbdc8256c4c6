// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/open_inference.h"

namespace tidewatch {

// The Open Inference Protocol's JSON, with its binary-data extension: a header of JSON whose length
// the request names, then the tensors' bytes one after the other.

struct InferRequest {
  struct Wanted {
    InferOutput output = InferOutput::kEmotion;
    bool binary = false;
  };
  ClassifyCall call;
  std::optional<std::string> id;
  std::vector<Wanted> outputs;  // never empty
};

// Reads the body of POST /v2/models/{name}/infer. `header_length` is the value of
// Inference-Header-Content-Length; nothing: all of the body is JSON. `limits` are the request's
// headers'; the parameters `timeout` and `priority` narrow them. Errors: kInvalidArgument.
Result<InferRequest> parse_infer(std::string_view body, std::optional<std::size_t> header_length,
                                 std::string_view model, RequestLimits limits, SteadyTime now);

struct InferAnswer {
  std::string body;
  std::optional<std::size_t> header_length;  // set: binary data follows the header
};
InferAnswer render_infer(const InferRequest& request, const ClassifyResult& result,
                         const LabelSchema& labels);

std::string server_metadata_json();
std::string model_metadata_json(const ServedModel& model, const LabelSchema& labels);
std::string model_config_json(const ServedModel& model, const LabelSchema& labels);
std::string statistics_json(std::span<const ModelStatistics> statistics);
std::string repository_index_json(std::span<const ServedModel> models, bool only_ready);
// Whether the body of POST /v2/repository/index asks for ready models alone. kInvalidArgument when
// it is neither empty nor a JSON object.
Result<bool> parse_index_request(std::string_view body);

}  // namespace tidewatch
