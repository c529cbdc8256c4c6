// SPDX-License-Identifier: Apache-2.0
// swap: asks a running engine to put another engine file in a model's place.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "alert/webhook_url.h"
#include "app/cli_support.h"
#include "app/commands.h"
#include "app/engine_client.h"
#include "infer/engine_file.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

void print_figures(const Json& answer) {
  const auto figures = answer.find("figures");
  if (figures == answer.end()) return;
  for (const char* task : {"emotion", "topic"}) {
    const Json& of = (*figures)[task];
    fmt::print("{:<8} {:.1f} % of {} labels agree; accuracy {:.1f} -> {:.1f} % of {}\n", task,
               100 * of.value("agreement", 0.0), of.value("compared", 0),
               100 * of.value("accuracy_old", 0.0), 100 * of.value("accuracy_new", 0.0),
               of.value("labelled", 0));
  }
  fmt::print("latency  {:.3f} -> {:.3f} ms a text\n", figures->value("latency_ms_old", 0.0),
             figures->value("latency_ms_new", 0.0));
}

Status swap(const SwapCommandOptions& options) {
  if (options.engine.empty() == !options.rollback) {
    return Error{Code::kInvalidArgument, "give the engine's name, or --rollback"};
  }
  if (!options.rollback) TRY(check_engine_name(options.engine));
  TRY_ASSIGN(const WebhookUrl url, parse_engine_url(options.url));
  const std::string target =
      options.rollback ? fmt::format("/v1/models/{}/rollback", options.model) : "/swap-engine";
  const Json request = options.rollback
                           ? Json::object()
                           : Json{{"model", options.model}, {"new_engine", options.engine}};
  TRY_ASSIGN(const EngineAnswer answer,
             post_to_engine(url, target, "application/json", request.dump()));
  const Json json = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Error{Code::kUnavailable,
                 fmt::format("{}: answered {} and no JSON object", url.origin(), answer.status)};
  }
  if (options.json) {
    fmt::print("{}\n", json.dump());
  } else {
    print_figures(json);
  }
  std::fflush(stdout);
  if (answer.status != 200) {
    return Error{Code::kFailedPrecondition, json.value("detail", answer.body)};
  }
  if (!options.json) {
    const Json& times = json["times_ms"];
    fmt::print("{}: {} -> {}; loaded in {:.0f} ms, first answer {:.1f} ms after the switch\n",
               json.value("model", ""), json["from"].value("version", ""),
               json["to"].value("version", ""), times.value("load", 0.0),
               times.value("first_answer", 0.0));
  }
  return {};
}

}  // namespace

int run_swap(const SwapCommandOptions& options) {
  const Status status = swap(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
