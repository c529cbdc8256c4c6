// SPDX-License-Identifier: Apache-2.0
#include "serve/open_inference_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "observe/json_text.h"

namespace tidewatch {
namespace {

namespace dom = simdjson::dom;

Error invalid(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

Result<dom::object> parse_object(dom::parser& parser, std::string_view json) {
  dom::object object;
  if (parser.parse(json.data(), json.size()).get_object().get(object) != simdjson::SUCCESS) {
    return invalid("the request must be one JSON object in UTF-8");
  }
  return object;
}

std::optional<std::string_view> text_of(dom::object object, std::string_view key) {
  std::string_view text;
  if (object[key].get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

// A parameter of that name; nothing when there is none.
std::optional<dom::element> parameter(dom::object object, std::string_view key) {
  dom::element found;
  if (object["parameters"][key].get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

Result<std::uint64_t> whole_number(dom::object object, std::string_view key) {
  const auto found = parameter(object, key);
  std::uint64_t value = 0;
  if (!found) return value;
  if (found->get_uint64().get(value) != simdjson::SUCCESS) {
    return invalid(fmt::format("parameter '{}' must be a whole number", key));
  }
  return value;
}

Result<bool> flag(dom::object object, std::string_view key, bool fallback) {
  const auto found = parameter(object, key);
  bool value = fallback;
  if (found && found->get_bool().get(value) != simdjson::SUCCESS) {
    return invalid(fmt::format("parameter '{}' must be true or false", key));
  }
  return value;
}

// Strings of an array, or of its arrays.
Status take_strings(dom::array array, int depth_max, std::vector<std::string>& texts) {
  for (const dom::element element : array) {
    std::string_view text;
    dom::array inner;
    if (element.get_string().get(text) == simdjson::SUCCESS) {
      texts.emplace_back(text);
    } else if (depth_max > 0 && element.get_array().get(inner) == simdjson::SUCCESS) {
      TRY(take_strings(inner, depth_max - 1, texts));
    } else {
      return invalid("the data of input 'text' must be strings");
    }
    if (texts.size() > kInferTextsMax) break;  // more than any shape names
  }
  return {};
}

Result<std::vector<std::string>> take_input(dom::object request, std::string_view binary) {
  dom::array inputs;
  dom::object input;
  if (request["inputs"].get_array().get(inputs) != simdjson::SUCCESS || inputs.size() != 1 ||
      inputs.at(0).get_object().get(input) != simdjson::SUCCESS) {
    return invalid("the request must have exactly one input, 'text'");
  }
  std::vector<std::int64_t> shape;
  dom::array sizes;
  if (input["shape"].get_array().get(sizes) != simdjson::SUCCESS) {
    return invalid("input 'text' must have a shape");
  }
  for (const dom::element size : sizes) {
    std::int64_t value = 0;
    if (size.get_int64().get(value) != simdjson::SUCCESS || shape.size() == 8) {
      return invalid("the shape of input 'text' must be whole numbers, [n] or [n,1]");
    }
    shape.push_back(value);
  }
  TRY_ASSIGN(const std::size_t count, text_count(text_of(input, "name").value_or(""),
                                                 text_of(input, "datatype").value_or(""), shape));
  if (parameter(input, "shared_memory_region")) return invalid("shared memory is not supported");
  if (parameter(input, "binary_data_size")) {
    TRY_ASSIGN(const std::uint64_t size, whole_number(input, "binary_data_size"));
    if (size != binary.size()) {
      return invalid(
          fmt::format("input 'text' has binary_data_size {} but {} bytes follow the "
                      "header; see Inference-Header-Content-Length",
                      size, binary.size()));
    }
    return unpack_texts(binary, count);
  }
  dom::array data;
  if (input["data"].get_array().get(data) != simdjson::SUCCESS) {
    return invalid("input 'text' must have data, or binary_data_size among its parameters");
  }
  std::vector<std::string> texts;
  TRY(take_strings(data, 1, texts));
  if (texts.size() != count || !binary.empty()) {
    return invalid(
        fmt::format("the data of input 'text' does not hold exactly the {} elements "
                    "that its shape names",
                    count));
  }
  return texts;
}

Result<std::vector<InferRequest::Wanted>> take_outputs(dom::object request) {
  TRY_ASSIGN(const bool all_binary, flag(request, "binary_data_output", false));
  std::vector<InferRequest::Wanted> wanted;
  dom::element named;
  if (request["outputs"].get(named) == simdjson::SUCCESS && !named.is_null()) {
    dom::array outputs;
    if (named.get_array().get(outputs) != simdjson::SUCCESS) {
      return invalid("'outputs' must be an array of objects");
    }
    for (const dom::element element : outputs) {
      dom::object output;
      if (element.get_object().get(output) != simdjson::SUCCESS || wanted.size() == 64) {
        return invalid("'outputs' must be an array of objects");
      }
      TRY_ASSIGN(const InferOutput which, find_output(text_of(output, "name").value_or("")));
      for (const char* unsupported : {"classification", "shared_memory_region"}) {
        if (parameter(output, unsupported)) {
          return invalid(
              fmt::format("output '{}': {} is not supported", output_name(which), unsupported));
        }
      }
      TRY_ASSIGN(const bool binary, flag(output, "binary_data", all_binary));
      wanted.push_back({which, binary});
    }
  }
  if (wanted.empty()) {
    for (const InferOutput output : kInferOutputs) wanted.push_back({output, all_binary});
  }
  return wanted;
}

Status take_limits(dom::object request, SteadyTime now, RequestLimits& limits) {
  TRY_ASSIGN(const std::uint64_t timeout_us, whole_number(request, "timeout"));
  TRY_ASSIGN(const std::uint64_t priority, whole_number(request, "priority"));
  TRY_ASSIGN(limits.priority, infer_priority(priority));
  constexpr std::uint64_t kDayUs = 86'400'000'000;  // longer is no bound, and must not overflow
  if (timeout_us > 0) {
    limits.deadline =
        std::min(limits.deadline, now + std::chrono::microseconds{std::min(timeout_us, kDayUs)});
  }
  return {};
}

// [1,2]
std::string shape_json(std::span<const std::int64_t> shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(shape[i]);
  }
  return out + ']';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

void append_data(InferOutput output, const ClassifyResult& result, const LabelSchema& labels,
                 std::string& out) {
  bool first = true;
  const auto separate = [&] {
    if (!std::exchange(first, false)) out += ',';
  };
  if (output_datatype(output) == "BYTES") {
    for (const std::string_view name : output_labels(output, result, labels)) {
      separate();
      append_json_string(out, name);
    }
    return;
  }
  for (const float number : output_numbers(output, result, labels)) {
    separate();
    fmt::format_to(std::back_inserter(out), "{}", number);
  }
}

std::string duration_json(const ModelStatistics::Duration& duration) {
  return fmt::format(R"({{"count":{},"ns":{}}})", duration.count, duration.total.count());
}

}  // namespace

Result<InferRequest> parse_infer(std::string_view body, std::optional<std::size_t> header_length,
                                 std::string_view model, RequestLimits limits, SteadyTime now) {
  const std::size_t json_bytes = header_length.value_or(body.size());
  if (json_bytes > body.size()) {
    return invalid(fmt::format("Inference-Header-Content-Length is {} but the body has {} bytes",
                               json_bytes, body.size()));
  }
  dom::parser parser;
  TRY_ASSIGN(const dom::object object, parse_object(parser, body.substr(0, json_bytes)));
  InferRequest request;
  request.call.model = model;
  request.call.limits = std::move(limits);
  TRY(take_limits(object, now, request.call.limits));
  if (const auto id = text_of(object, "id")) request.id = std::string(*id);
  TRY_ASSIGN(request.outputs, take_outputs(object));
  TRY_ASSIGN(request.call.texts, take_input(object, body.substr(json_bytes)));
  return request;
}

InferAnswer render_infer(const InferRequest& request, const ClassifyResult& result,
                         const LabelSchema& labels) {
  std::string head = fmt::format(R"({{"model_name":{},"model_version":{})",
                                 json_string(result.model), json_string(result.version));
  if (request.id) head += R"(,"id":)" + json_string(*request.id);
  head += R"(,"outputs":[)";
  std::string binary;
  bool any_binary = false;
  const auto n = static_cast<std::int64_t>(result.scores.size());
  for (std::size_t i = 0; i < request.outputs.size(); ++i) {
    const auto [output, as_binary] = request.outputs[i];
    head += fmt::format(R"({}{{"name":"{}","datatype":"{}","shape":{},)", i > 0 ? "," : "",
                        output_name(output), output_datatype(output),
                        shape_json(output_shape(output, n, labels)));
    if (as_binary) {
      any_binary = true;
      const std::string packed = pack_output(output, result, labels);
      head += fmt::format(R"("parameters":{{"binary_data_size":{}}}}})", packed.size());
      binary += packed;
    } else {
      head += R"("data":[)";
      append_data(output, result, labels, head);
      head += "]}";
    }
  }
  head += "]}";
  InferAnswer answer;
  if (any_binary) answer.header_length = head.size();
  answer.body = std::move(head) + binary;
  return answer;
}

std::string server_metadata_json() {
  std::string out = fmt::format(R"({{"name":"{}","version":"{}","extensions":[)", kInferServerName,
                                kInferServerVersion);
  for (std::size_t i = 0; i < kInferExtensions.size(); ++i) {
    out += fmt::format(R"({}"{}")", i > 0 ? "," : "", kInferExtensions[i]);
  }
  return out + "]}";
}

std::string model_metadata_json(const ServedModel& model, const LabelSchema& labels) {
  std::string out = fmt::format(
      R"({{"name":{},"versions":[{}],"platform":{},"inputs":[{{"name":"{}","datatype":"BYTES","shape":[-1]}}],"outputs":[)",
      json_string(model.name), json_string(model.version), json_string(model.backend), kTextInput);
  for (const InferOutput output : kInferOutputs) {
    if (output != kInferOutputs.front()) out += ',';
    out += fmt::format(R"({{"name":"{}","datatype":"{}","shape":{}}})", output_name(output),
                       output_datatype(output), shape_json(output_shape(output, -1, labels)));
  }
  return out + "]}";
}

std::string model_config_json(const ServedModel& model, const LabelSchema& labels) {
  std::string out = fmt::format(
      R"({{"name":{},"platform":{},"backend":{},"max_batch_size":0,"input":[{{"name":"{}","data_type":"TYPE_STRING","dims":[-1]}}],"output":[)",
      json_string(model.name), json_string(model.backend), json_string(model.backend), kTextInput);
  for (const InferOutput output : kInferOutputs) {
    if (output != kInferOutputs.front()) out += ',';
    out += fmt::format(R"({{"name":"{}","data_type":"{}","dims":{}}})", output_name(output),
                       output_datatype(output) == "BYTES" ? "TYPE_STRING" : "TYPE_FP32",
                       shape_json(output_shape(output, -1, labels)));
  }
  return out + "]}";
}

std::string statistics_json(std::span<const ModelStatistics> statistics) {
  std::string out = R"({"model_stats":[)";
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    const ModelStatistics& s = statistics[i];
    out += fmt::format(
        R"({}{{"name":{},"version":{},"last_inference":{},"inference_count":{},"execution_count":{},)",
        i > 0 ? "," : "", json_string(s.name), json_string(s.version),
        s.last_inference.time_since_epoch().count(), s.inference_count, s.execution_count);
    out += fmt::format(
        R"("inference_stats":{{"success":{},"fail":{},"queue":{},"compute_input":{},"compute_infer":{},"compute_output":{},"cache_hit":{},"cache_miss":{}}},"batch_stats":[]}})",
        duration_json(s.success), duration_json(s.fail), duration_json(s.queue), duration_json({}),
        duration_json(s.compute), duration_json({}), duration_json(s.cache_hit),
        duration_json(s.cache_miss));
  }
  return out + "]}";
}

std::string repository_index_json(std::span<const ServedModel> models, bool only_ready) {
  std::string out = "[";
  for (const ServedModel& model : models) {
    if (only_ready && !model.ready) continue;
    if (out.size() > 1) out += ',';
    out += fmt::format(R"({{"name":{},"version":{},"state":"{}","reason":""}})",
                       json_string(model.name), json_string(model.version),
                       model.ready ? "READY" : "UNAVAILABLE");
  }
  return out + ']';
}

Result<bool> parse_index_request(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return false;
  dom::parser parser;
  TRY_ASSIGN(const dom::object object, parse_object(parser, body));
  const auto member = object["ready"];
  bool ready = false;
  if (member.error() != simdjson::NO_SUCH_FIELD &&
      member.get_bool().get(ready) != simdjson::SUCCESS) {
    return Error{Code::kInvalidArgument, "'ready' must be true or false"};
  }
  return ready;
}

}  // namespace tidewatch
