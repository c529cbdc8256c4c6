// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.h"
#include "serve/engine.h"

namespace tidewatch::testing_support {

// An engine that does as it is told. A line that begins with "{" is accepted, any other is
// rejected, an empty one is skipped. Query members answer with what they were asked, as JSON.
// Threads: as Engine; the settings are made before requests come.
class FakeEngine final : public Engine {
 public:
  struct Ingested {
    std::string bytes;  // everything that was fed
    bool finished = false;
    bool arrived_whole = false;
  };

  // Settings.
  std::uint64_t lines_max = std::numeric_limits<std::uint64_t>::max();  // then a session stops …
  Error stop_error{Code::kResourceExhausted, "the engine is behind"};   // … with this
  bool keep_bytes = true;            // false: only count (for long bodies)
  std::function<void()> on_feed;     // within every feed()
  bool hold_done = false;            // until release_done()
  std::function<void()> on_query;    // within every query member
  std::optional<Error> query_error;  // what query members answer
  std::optional<Error> not_ready;
  // What becomes of a batch of posts; not set: all are accepted. hold_done holds its answer too.
  std::function<PostBatchResult(const PostBatch&)> on_batch;
  // Answers a classify_async(); not set: zeros for every text, under the model that was asked for.
  std::function<void(ClassifyCall, std::function<void(Result<ClassifyResult>)>)> on_classify;
  std::optional<std::string> alerts_json;  // what alerts() answers instead
  LabelSchema schema;
  std::vector<ServedModel> served;
  std::vector<ModelStatistics> statistics;
  std::function<Status(const std::string& what, const std::string& model)> on_repository;

  // Observations. ingested(n) waits until n sessions have been finished.
  std::vector<Ingested> ingested(std::size_t finished_count);
  std::uint64_t bytes_fed();
  // Waits until `count` batches of posts have come.
  std::vector<PostBatch> batches(std::size_t count);
  // Waits until `count` done callbacks are held, then calls them.
  void release_done(std::size_t count);
  // Drops what is held without calling it.
  void drop_done();

  std::unique_ptr<IngestSession> open_ingest(std::chrono::milliseconds timeout) override;
  std::chrono::milliseconds ingest_timeout{0};  // of the last session
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
  Result<std::string> retry_message(const std::string& id) override;
  Result<std::string> retry_channel(const std::string& name) override;
  Result<std::string> posts(const Params& params) override;
  Result<std::string> posts_summary(const Params& params) override;
  Result<std::string> post(const std::string& id) override;
  Result<std::string> models() override;
  ControlAnswer control_model(ModelAction action, const std::string& model,
                              std::string_view request_json) override;
  Result<std::string> rules(RuleAction action, const std::string& name,
                            std::string_view request_json) override;
  void classify_async(ClassifyCall call, std::function<void(Result<ClassifyResult>)> done) override;
  const LabelSchema& labels() const override { return schema; }
  std::vector<ServedModel> served_models() override { return served; }
  std::vector<ModelStatistics> model_statistics() override { return statistics; }
  Status load_model(const std::string& name) override;
  Status unload_model(const std::string& name) override;
  Status ready() override;
  std::string metrics_text() override;

 private:
  class Session;
  Result<std::string> asked(std::string_view what, std::string_view argument,
                            const Params& params = {});

  Mutex mu_;
  CondVar changed_;
  std::vector<std::shared_ptr<Ingested>> sessions_ GUARDED_BY(mu_);
  std::vector<PostBatch> batches_ GUARDED_BY(mu_);
  std::uint64_t bytes_fed_ GUARDED_BY(mu_) = 0;
  std::vector<std::function<void()>> held_ GUARDED_BY(mu_);
};

}  // namespace tidewatch::testing_support
