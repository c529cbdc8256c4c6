// SPDX-License-Identifier: Apache-2.0
#include "serve/testing/fake_engine.h"

#include <array>
#include <utility>

#include "observe/json_text.h"

namespace tidewatch::testing_support {

class FakeEngine::Session final : public IngestSession {
 public:
  Session(FakeEngine& engine, std::shared_ptr<Ingested> record)
      : engine_(engine), record_(std::move(record)) {}

  bool feed(std::string_view bytes) override {
    if (engine_.on_feed) engine_.on_feed();
    {
      MutexLock lock(engine_.mu_);
      engine_.bytes_fed_ += bytes.size();
      if (engine_.keep_bytes) record_->bytes += bytes;
    }
    engine_.changed_.notify_all();
    while (!bytes.empty() && !summary_.stopped) {
      const std::size_t end = bytes.find('\n');
      rest_ += bytes.substr(0, end);
      if (end == std::string_view::npos) break;
      bytes.remove_prefix(end + 1);
      take_line();
    }
    return !summary_.stopped;
  }

  void finish(bool arrived_whole, std::function<void(IngestSummary)> done) override {
    if (arrived_whole && !rest_.empty() && !summary_.stopped) take_line();
    std::function<void()> call = [done = std::move(done), summary = summary_] { done(summary); };
    const bool hold = engine_.hold_done;
    {
      MutexLock lock(engine_.mu_);
      record_->finished = true;
      record_->arrived_whole = arrived_whole;
      if (hold) engine_.held_.push_back(call);
    }
    engine_.changed_.notify_all();
    if (!hold) call();
  }

 private:
  void take_line() {
    ++line_;
    if (summary_.accepted + summary_.rejected >= engine_.lines_max) {
      summary_.stopped = engine_.stop_error;
      summary_.unprocessed_from_line = line_;
      return;
    }
    if (rest_.starts_with('{')) {
      ++summary_.accepted;
    } else if (!rest_.empty()) {
      ++summary_.rejected;
      summary_.errors.push_back({line_, "text", "not a post"});
    }
    rest_.clear();
  }

  FakeEngine& engine_;
  std::shared_ptr<Ingested> record_;
  IngestSummary summary_;
  std::string rest_;
  std::uint64_t line_ = 0;
};

std::vector<FakeEngine::Ingested> FakeEngine::ingested(std::size_t finished_count) {
  MutexLock lock(mu_);
  while (true) {
    std::vector<Ingested> out;
    for (const auto& session : sessions_) {
      if (session->finished) out.push_back(*session);
    }
    if (out.size() >= finished_count) return out;
    changed_.wait(mu_);
  }
}

std::uint64_t FakeEngine::bytes_fed() {
  MutexLock lock(mu_);
  return bytes_fed_;
}

void FakeEngine::release_done(std::size_t count) {
  std::vector<std::function<void()>> calls;
  {
    MutexLock lock(mu_);
    while (held_.size() < count) changed_.wait(mu_);
    calls.swap(held_);
  }
  for (auto& call : calls) call();
}

void FakeEngine::drop_done() {
  std::vector<std::function<void()>> dropped;
  MutexLock lock(mu_);
  dropped.swap(held_);
}

std::vector<PostBatch> FakeEngine::batches(std::size_t count) {
  MutexLock lock(mu_);
  while (batches_.size() < count) changed_.wait(mu_);
  return batches_;
}

void FakeEngine::ingest(PostBatch batch, std::function<void(PostBatchResult)> done) {
  PostBatchResult result;
  result.accepted = static_cast<std::uint32_t>(batch.posts.size());
  if (on_batch) result = on_batch(batch);
  std::function<void()> call = [done = std::move(done), result] { done(result); };
  {
    MutexLock lock(mu_);
    batches_.push_back(std::move(batch));
    if (hold_done) held_.push_back(call);
  }
  changed_.notify_all();
  if (!hold_done) call();
}

void FakeEngine::classify_async(ClassifyCall call,
                                std::function<void(Result<ClassifyResult>)> done) {
  if (on_classify) {
    on_classify(std::move(call), std::move(done));
    return;
  }
  ClassifyResult result;
  result.model = call.model;
  result.scores.resize(call.texts.size());
  result.answered_by.resize(call.texts.size());
  done(std::move(result));
}

Status FakeEngine::load_model(const std::string& name) {
  return on_repository ? on_repository("load", name) : Engine::load_model(name);
}

Status FakeEngine::unload_model(const std::string& name) {
  return on_repository ? on_repository("unload", name) : Engine::unload_model(name);
}

std::unique_ptr<IngestSession> FakeEngine::open_ingest(std::chrono::milliseconds timeout) {
  auto record = std::make_shared<Ingested>();
  MutexLock lock(mu_);
  ingest_timeout = timeout;
  sessions_.push_back(record);
  return std::make_unique<Session>(*this, std::move(record));
}

Result<std::string> FakeEngine::asked(std::string_view what, std::string_view argument,
                                      const Params& params) {
  if (on_query) on_query();
  if (query_error) return *query_error;
  std::string out = R"({"asked":)";
  append_json_string(out, what);
  out += R"(,"argument":)";
  append_json_string(out, argument);
  for (const char* name : {"q", "window", "since", "limit"}) {
    const auto value = params ? params(name) : std::nullopt;
    if (!value) continue;
    out += ',';
    append_json_string(out, name);
    out += ':';
    append_json_string(out, *value);
  }
  return out + '}';
}

void FakeEngine::classify_json(std::string_view request_json, RequestLimits limits,
                               std::function<void(Result<std::string>)> done) {
  if (!on_classify) return done(asked("classify", request_json));
  ClassifyCall call;
  call.limits = std::move(limits);
  on_classify(std::move(call), [done = std::move(done)](const Result<ClassifyResult>& result) {
    if (!result) return done(result.error());
    done(std::string("{}"));
  });
}
Result<std::string> FakeEngine::stats() { return asked("stats", ""); }
Result<std::string> FakeEngine::system() { return asked("system", ""); }
Result<std::string> FakeEngine::trends(const Params& params) { return asked("trends", "", params); }
Result<std::string> FakeEngine::series(const std::string& key, const Params& params) {
  return asked("series", key, params);
}
Result<std::string> FakeEngine::alerts(const Params& params) {
  if (alerts_json) return *alerts_json;
  return asked("alerts", "", params);
}
Result<std::string> FakeEngine::alert(const std::string& id) { return asked("alert", id); }
Result<std::string> FakeEngine::act_on_alert(AlertEvent event, const std::string& id,
                                             std::string_view request_json) {
  static constexpr std::array<const char*, 9> kActs{
      "opened", "updated", "closed", "escalate", "ack", "resolve", "reopen", "mute", "unmute"};
  return asked(kActs[static_cast<std::size_t>(event)], std::string(id).append(request_json));
}
Result<std::string> FakeEngine::outbox(const Params& params) { return asked("outbox", "", params); }
Result<std::string> FakeEngine::channels() { return asked("channels", ""); }
Result<std::string> FakeEngine::retry_message(const std::string& id) {
  return asked("retry_message", id);
}
Result<std::string> FakeEngine::retry_channel(const std::string& name) {
  return asked("retry_channel", name);
}
Result<std::string> FakeEngine::posts(const Params& params) { return asked("posts", "", params); }
Result<std::string> FakeEngine::posts_summary(const Params& params) {
  return asked("posts_summary", "", params);
}
Result<std::string> FakeEngine::post(const std::string& id) { return asked("post", id); }
Result<std::string> FakeEngine::models() { return asked("models", ""); }
ControlAnswer FakeEngine::control_model(ModelAction action, const std::string& model,
                                        std::string_view request_json) {
  const auto answer =
      asked("control " + std::to_string(static_cast<int>(action)) + " " + model, request_json);
  if (!answer) return {answer.error(), R"("figures":{"agreement":0.5})"};
  return {std::nullopt, *answer};
}

Result<std::string> FakeEngine::rules(RuleAction action, const std::string& name,
                                      std::string_view request_json) {
  return asked("rules " + std::to_string(static_cast<int>(action)) + " " + name, request_json);
}

Status FakeEngine::ready() {
  if (not_ready) return *not_ready;
  return {};
}

std::string FakeEngine::metrics_text() { return "fake_metric 1\n"; }

}  // namespace tidewatch::testing_support
