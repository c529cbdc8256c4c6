// SPDX-License-Identifier: Apache-2.0
#include "app/model_control_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

Error bad(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

double milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json engine_name(const std::string& engine) {
  return engine.empty() ? Json(nullptr) : Json(engine);
}

// Reads the members of an object that may be there, and notices the others.
class Members {
 public:
  explicit Members(const Json& object, std::string path = {})
      : object_(object), path_(std::move(path)) {}

  const Json* take(const char* name) {
    known_.emplace_back(name);
    const auto it = object_.find(name);
    return it == object_.end() ? nullptr : &*it;
  }
  void text(const char* name, std::string& value) {
    const Json* found = take(name);
    if (found == nullptr) return;
    if (!found->is_string()) return fail(name, "must be a string");
    value = found->get<std::string>();
  }
  void number(const char* name, double& value, double low, double high) {
    const Json* found = take(name);
    if (found == nullptr) return;
    if (!found->is_number() || found->get<double>() < low || found->get<double>() > high) {
      return fail(name, fmt::format("must be a number from {} to {}", low, high));
    }
    value = found->get<double>();
  }
  void count(const char* name, std::uint64_t& value) {
    const Json* found = take(name);
    if (found == nullptr) return;
    if (!found->is_number_unsigned()) return fail(name, "must be a whole number, not negative");
    value = found->get<std::uint64_t>();
  }
  void fail(const char* name, std::string_view what) {
    if (!error_) error_ = bad(fmt::format("'{}{}' {}", path_, name, what));
  }
  Status finish() const {
    if (error_) return *error_;
    for (const auto& [name, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
        return bad(fmt::format("'{}{}' is not known; known here are: {}", path_, name,
                               fmt::join(known_, ", ")));
      }
    }
    return {};
  }

 private:
  const Json& object_;
  const std::string path_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

Result<Json> read_object(std::string_view text) {
  if (text.empty()) return Json::object();
  Json request = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (request.is_discarded() || !request.is_object()) return bad("the body must be a JSON object");
  return request;
}

struct SwapRequest {
  std::string model;
  std::string engine;
  SwapLimits limits;
};

Result<SwapRequest> read_swap_request(std::string_view text, const std::string& model,
                                      const SwapLimits& limits) {
  TRY_ASSIGN(const Json body, read_object(text));
  SwapRequest request{model, {}, limits};
  Members members(body);
  members.text("model", request.model);
  members.text("new_engine", request.engine);
  if (const Json* own = members.take("limits")) {
    if (!own->is_object()) return bad("'limits' must be an object");
    Members of(*own, "limits.");
    of.number("agreement_min", request.limits.agreement_min, 0, 1);
    of.number("latency_ratio_max", request.limits.latency_ratio_max, 0, 1'000);
    of.number("accuracy_drop_max", request.limits.accuracy_drop_max, 0, 1);
    TRY(of.finish());
  }
  TRY(members.finish());
  if (!model.empty() && request.model != model) {
    return bad(fmt::format("'model' is '{}' but the path names '{}'", request.model, model));
  }
  if (request.engine.empty()) {
    return bad(
        R"('new_engine' must name a file of the engines folder: {"new_engine":"v2.engine"})");
  }
  return request;
}

Result<CanaryRequest> read_canary_request(std::string_view text,
                                          const ModelControl::Options& options) {
  TRY_ASSIGN(const Json body, read_object(text));
  CanaryRequest request;
  request.limits = options.canary;
  request.probe_every = options.probe_every;
  std::string mode = "split";
  Members members(body);
  members.text("new_engine", request.engine);
  members.number("percent", request.percent, 0, 100);
  members.text("mode", mode);
  double seconds = std::chrono::duration<double>(request.probe_every).count();
  if (const Json* own = members.take("limits")) {
    if (!own->is_object()) return bad("'limits' must be an object");
    CanaryLimits& limits = request.limits;
    Members of(*own, "limits.");
    of.number("accuracy_drop_max", limits.accuracy_drop_max, 0, 1);
    of.count("probes_min", limits.probes_min);
    of.number("error_rate_max", limits.error_rate_max, 0, 1);
    of.count("runs_min", limits.runs_min);
    of.number("latency_ratio_max", limits.latency_ratio_max, 0, 1'000);
    of.count("latency_runs_min", limits.latency_runs_min);
    of.count("promote_after", limits.promote_after);
    of.number("probe_seconds", seconds, 1, 86'400);
    TRY(of.finish());
  }
  TRY(members.finish());
  request.probe_every = std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1'000)};
  if (mode != "split" && mode != "shadow") return bad("'mode' must be \"split\" or \"shadow\"");
  request.shadow = mode == "shadow";
  if (request.engine.empty()) {
    return bad(
        R"('new_engine' must name a file of the engines folder: {"new_engine":"v2.engine"})");
  }
  return request;
}

Json task_json(const TaskFigures& figures) {
  return {{"compared", figures.compared},
          {"agreement", figures.agreement},
          {"labelled", figures.labelled},
          {"accuracy_old", figures.accuracy_old},
          {"accuracy_new", figures.accuracy_new}};
}

Json swap_json(const SwapReport& report) {
  Json json{
      {"model", report.model},
      {"from", {{"version", report.from_version}, {"engine", engine_name(report.from_engine)}}},
      {"to", {{"version", report.to_version}, {"engine", engine_name(report.to_engine)}}}};
  if (report.figures) {
    json["figures"] = {{"texts", report.figures->texts},
                       {"emotion", task_json(report.figures->emotion)},
                       {"topic", task_json(report.figures->topic)},
                       {"latency_ms_old", report.figures->latency_ms_old},
                       {"latency_ms_new", report.figures->latency_ms_new},
                       {"latency_ratio", report.figures->latency_ratio}};
    json["limits"] = {{"agreement_min", report.limits.agreement_min},
                      {"latency_ratio_max", report.limits.latency_ratio_max},
                      {"accuracy_drop_max", report.limits.accuracy_drop_max}};
  }
  json["times_ms"] = {{"load", milliseconds(report.load)},
                      {"warm_up", milliseconds(report.warm_up)},
                      {"validate", milliseconds(report.validate)},
                      {"first_answer", milliseconds(report.first_answer)},
                      {"drain", milliseconds(report.drain)}};
  if (report.refused) {
    json["reasons"] = report.reasons;
  } else {
    json["old_freed"] = report.freed;
  }
  return json;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ControlAnswer answer_swap(const SwapReport& report) {
  if (!report.refused) return {std::nullopt, dump(swap_json(report))};
  ControlAnswer answer;
  answer.refused = report.refused;
  if (!report.figures) return answer;
  answer.json = dump(swap_json(report));
  answer.json = answer.json.substr(1, answer.json.size() - 2);  // members of the problem
  return answer;
}

Json side_json(const CanarySide& side, std::uint64_t compared, const LabelSchema& labels) {
  Json emotions = Json::object();
  for (std::size_t i = 0; i < labels.emotions.size(); ++i) {
    emotions[labels.emotions[i]] = share(side.emotions[i], compared);
  }
  Json topics = Json::object();
  for (std::size_t i = 0; i < labels.topics.size(); ++i) {
    topics[labels.topics[i]] = share(side.topics[i], compared);
  }
  return {
      {"runs", side.runs},
      {"errors", side.errors},
      {"latency_p99_ms", side.latency_p99_ms},
      {"mean_confidence", compared == 0 ? 0 : side.confidence_sum / static_cast<double>(compared)},
      {"probe_rounds", side.probe_rounds},
      {"probe_accuracy",
       {{"emotion", side.accuracy.emotion},
        {"emotion_texts", side.accuracy.emotion_texts},
        {"topic", side.accuracy.topic},
        {"topic_texts", side.accuracy.topic_texts}}},
      {"emotions", std::move(emotions)},
      {"topics", std::move(topics)}};
}

Json compared_json(std::uint64_t differs, std::uint64_t compared,
                   std::span<const std::uint64_t> live, std::span<const std::uint64_t> candidate) {
  const ChiSquare chi = chi_square(live, candidate);
  return {{"disagreement", share(differs, compared)},
          {"label_distance", total_variation(live, candidate)},
          {"chi_square", chi.statistic},
          {"degrees_of_freedom", chi.freedom}};
}

ControlAnswer answer_canary(const Result<CanaryReport>& report, const LabelSchema& labels) {
  if (!report) return {report.error(), {}};
  return {std::nullopt, dump(canary_json(*report, labels))};
}

}  // namespace

Json canary_json(const CanaryReport& report, const LabelSchema& labels) {
  const CanaryFigures& f = report.figures;
  const CanaryLimits& limits = report.request.limits;
  return {{"model", report.model},
          {"state", canary_state_name(report.state)},
          {"reason", report.reason.empty() ? Json(nullptr) : Json(report.reason)},
          {"engine", report.request.engine},
          {"version", report.candidate_version},
          {"live_version", report.live_version},
          {"mode", report.request.shadow ? "shadow" : "split"},
          {"percent", report.request.percent},
          {"compared", f.compared},
          {"shed", f.shed},
          {"emotion",
           compared_json(f.emotion_differs, f.compared, f.live.emotions, f.candidate.emotions)},
          {"topic", compared_json(f.topic_differs, f.compared, f.live.topics, f.candidate.topics)},
          {"live", side_json(f.live, f.compared, labels)},
          {"candidate", side_json(f.candidate, f.compared, labels)},
          {"limits",
           {{"accuracy_drop_max", limits.accuracy_drop_max},
            {"probes_min", limits.probes_min},
            {"error_rate_max", limits.error_rate_max},
            {"runs_min", limits.runs_min},
            {"latency_ratio_max", limits.latency_ratio_max},
            {"latency_runs_min", limits.latency_runs_min},
            {"promote_after", limits.promote_after},
            {"probe_seconds", std::chrono::duration<double>(report.request.probe_every).count()}}}};
}

ControlAnswer answer_control(ModelControl& control, const LabelSchema& labels, ModelAction action,
                             const std::string& model, std::string_view request_json) {
  switch (action) {
    case ModelAction::kSwap: {
      const auto request = read_swap_request(request_json, model, control.options().swap);
      if (!request) return {request.error(), {}};
      return answer_swap(control.swap(request->model, request->engine, request->limits));
    }
    case ModelAction::kRollback:
      return answer_swap(control.rollback(model));
    case ModelAction::kCanaryState:
      return answer_canary(control.canary(model), labels);
    case ModelAction::kCanaryStart: {
      const auto request = read_canary_request(request_json, control.options());
      if (!request) return {request.error(), {}};
      return answer_canary(control.start_canary(model, *request), labels);
    }
    case ModelAction::kCanaryPromote:
      return answer_canary(control.promote_canary(model), labels);
    case ModelAction::kCanaryEnd:
      return answer_canary(control.end_canary(model), labels);
  }
  return {bad("unknown action"), {}};
}

}  // namespace tidewatch
