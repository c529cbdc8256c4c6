// SPDX-License-Identifier: Apache-2.0
#include "serve/inference_routes.h"

#include <utility>
#include <vector>

#include "serve/open_inference_json.h"

namespace tidewatch {
namespace {

Answer document(std::string body) {
  Answer answer;
  answer.body = std::move(body);
  return answer;
}

// Empty, as the protocol has it: the status says all.
Answer health(const Status& status) {
  if (!status) return problem(status.error());
  return document("{}");
}

Answer statistics(Engine& engine, const RouteMatch& match) {
  std::vector<ModelStatistics> wanted;
  for (ModelStatistics& one : engine.model_statistics()) {
    if (!match.argument.empty() && one.name != match.argument) continue;
    if (!match.second.empty() && one.version != match.second) continue;
    wanted.push_back(std::move(one));
  }
  return document(statistics_json(wanted));
}

}  // namespace

Answer inference_answer(Engine& engine, const RouteMatch& match) {
  const Handler handler = match.entry->handler;
  if (handler == Handler::kInferServer) return document(server_metadata_json());
  if (handler == Handler::kInferLive) return health({});
  if (handler == Handler::kInferReady) return health(engine.ready());
  if (handler == Handler::kInferStats && match.argument.empty()) return statistics(engine, match);

  const auto model = find_model(engine, match.argument, match.second);
  if (!model) return problem(model.error());
  switch (handler) {
    case Handler::kInferModelReady:
      if (!model->ready) {
        return problem(Error{Code::kUnavailable, "model '" + model->name + "' is not ready"});
      }
      return health({});
    case Handler::kInferConfig:
      return document(model_config_json(*model, engine.labels()));
    case Handler::kInferStats:
      return statistics(engine, match);
    default:
      return document(model_metadata_json(*model, engine.labels()));
  }
}

Result<std::string> repository_answer(Engine& engine, const RouteMatch& match,
                                      const std::string& body) {
  switch (match.entry->handler) {
    case Handler::kInferLoad:
      TRY(engine.load_model(match.argument));
      return std::string("{}");
    case Handler::kInferUnload:
      TRY(engine.unload_model(match.argument));
      return std::string("{}");
    default: {
      TRY_ASSIGN(const bool only_ready, parse_index_request(body));
      return repository_index_json(engine.served_models(), only_ready);
    }
  }
}

}  // namespace tidewatch
