// SPDX-License-Identifier: Apache-2.0
// Swaps, rollbacks and canaries: Connection's part that changes the models.
#include <optional>
#include <utility>

#include "serve/connection.h"

namespace tidewatch {
namespace {

ModelAction action_of(Handler handler) noexcept {
  switch (handler) {
    case Handler::kRollback:
      return ModelAction::kRollback;
    case Handler::kCanaryStart:
      return ModelAction::kCanaryStart;
    case Handler::kCanaryPromote:
      return ModelAction::kCanaryPromote;
    case Handler::kCanaryEnd:
      return ModelAction::kCanaryEnd;
    case Handler::kCanaryState:
      return ModelAction::kCanaryState;
    default:
      return ModelAction::kSwap;
  }
}

}  // namespace

boost::asio::awaitable<Answer> Connection::control(Exchange& exchange) {
  const ModelAction action = action_of(exchange.match.entry->handler);
  const std::string& model = exchange.match.argument;
  std::optional<Error> refused;
  std::string members;
  std::function<Result<std::string>(const std::string&)> work =
      [&, &engine = core_.engine](const std::string& body) -> Result<std::string> {
    ControlAnswer outcome = engine.control_model(action, model, body);
    if (!outcome.refused) return std::move(outcome.json);
    refused = outcome.refused;
    members = std::move(outcome.json);
    return *std::move(outcome.refused);
  };
  Answer answer_now;
  if (action == ModelAction::kCanaryState) {
    std::function<Result<std::string>()> ask = [&work] { return work({}); };
    answer_now = co_await query(std::move(ask));
  } else {
    answer_now = co_await with_body(exchange, std::move(work));
  }
  if (refused && !members.empty()) {
    answer_now = problem(http_status(refused->code), refused->code, refused->message, members);
  }
  co_return answer_now;
}

}  // namespace tidewatch
