// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "app/classify_ledger.h"
#include "app/post_intake.h"
#include "app/rule_preview.h"
#include "app/runtime.h"
#include "serve/engine.h"

namespace tidewatch {

inline constexpr std::size_t kClassifyTextsMax = 1'024;  // texts in one POST /v1/classify

// The running engine as the HTTP front end sees it: builds the answers of docs/api.md.
// Ownership: the runtime must outlive it. Threads: every member may be called concurrently.
class EngineApi final : public Engine {
 public:
  explicit EngineApi(Runtime& runtime);

  std::unique_ptr<IngestSession> open_ingest(std::chrono::milliseconds timeout) override;
  void ingest(PostBatch batch, std::function<void(PostBatchResult)> done) override;
  void classify_json(std::string_view request_json, RequestLimits limits,
                     std::function<void(Result<std::string>)> done) override;
  Result<std::string> stats() override;
  Result<std::string> system() override;
  Result<std::string> trends(const Params& params) override;
  Result<std::string> series(const std::string& key, const Params& params) override;
  Result<std::string> alerts(const Params& params) override;
  Result<std::string> alert(const std::string& id) override;
  Result<std::string> act_on_alert(AlertEvent event, const std::string& id,
                                   std::string_view request_json) override;
  Result<std::string> outbox(const Params& params) override;
  Result<std::string> channels() override;
  Result<std::string> sources() override;
  Result<std::string> retry_message(const std::string& id) override;
  Result<std::string> retry_channel(const std::string& name) override;
  Result<std::string> report(const Params& params) override;
  Result<std::string> posts(const Params& params) override;
  Result<std::string> posts_summary(const Params& params) override;
  Result<std::string> post(const std::string& id) override;
  Result<std::string> models() override;
  // A served model is loaded; any other name is an engine of the engines folder, with or without
  // `.engine`, which is swapped in as POST /swap-engine does.
  Status load_model(const std::string& name) override;
  // The engine that is served goes back to what it replaced; a model that is served stays.
  Status unload_model(const std::string& name) override;
  ControlAnswer control_model(ModelAction action, const std::string& model,
                              std::string_view request_json) override;
  Result<std::string> rules(RuleAction action, const std::string& name,
                            std::string_view request_json) override;
  void classify_async(ClassifyCall call, std::function<void(Result<ClassifyResult>)> done) override;
  const LabelSchema& labels() const override;
  std::vector<ServedModel> served_models() override;
  std::vector<ModelStatistics> model_statistics() override;
  Status ready() override;
  std::string metrics_text() override;

 private:
  Runtime& runtime_;
  const SteadyTime started_at_;
  const std::shared_ptr<const SearchNames> search_names_;
  PostIntake intake_;
  ClassifyLedger ledger_;
  RulePreviewer previewer_;
  std::mutex report_mu_;  // held while GET /v1/report makes one
};

// One post with its labels, as search answers and GET /v1/live have it.
std::string post_json(const Post& post, Sequence sequence, std::string_view emotion,
                      double emotion_probability, std::string_view topic, double topic_probability);
std::string post_json(const ScoredPost& post, const LabelSchema& labels);

// {"label":…,"probability":…,"probabilities":{…}} for each task, without braces around the two:
// "emotion":{…},"topic":{…}. Unclassified: label neutral / unknown, probability 0.
std::string scores_members(const Scores& scores, const LabelSchema& labels);
// ,"model":"base": which model of a cascade answered (null for an empty text); else nothing.
std::string answered_by_member(const Scores& scores, const Inference& inference);

}  // namespace tidewatch
