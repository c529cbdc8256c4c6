// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alert/alert.h"
#include "core/request_limits.h"
#include "core/result.h"
#include "infer/scores.h"
#include "ingest/post.h"

namespace tidewatch {

// One line that was not accepted. `line` counts from 1 within the body or file.
struct LineError {
  std::uint64_t line = 0;
  std::string field;   // empty: the line as a whole
  std::string reason;  // for people: what is wrong and what to do
};

// What became of a body. accepted + rejected + duplicates = lines taken. At most
// kLineErrorsMax errors are kept; the rest are only counted, in errors_omitted.
struct IngestSummary {
  std::uint64_t accepted = 0;  // on disk
  std::uint64_t rejected = 0;
  std::uint64_t duplicates = 0;  // their id was stored before: nothing to do
  std::vector<LineError> errors;
  std::uint64_t errors_omitted = 0;
  // Set when the rest of the body was not taken: kResourceExhausted (the engine is behind) or
  // kUnavailable (posts cannot be stored). Send again from unprocessed_from_line; of the lines
  // after it some may have been stored already, and are recognised when they have ids.
  std::optional<Error> stopped;
  std::uint64_t unprocessed_from_line = 0;  // 0: all were
};
inline constexpr std::size_t kLineErrorsMax = 100;

// Takes one body of NDJSON. Calls come one at a time (not thread-safe); feed() never blocks.
class IngestSession {
 public:
  virtual ~IngestSession() = default;

  // Takes any piece of the body, cut anywhere. Returns false when no more is wanted (see
  // IngestSummary::stopped): then call finish().
  virtual bool feed(std::string_view bytes) = 0;

  // Ends the body. `done` is called exactly once, from any thread (maybe within this call), when
  // every accepted post is on disk. `arrived_whole` false (the client vanished) drops a last
  // unfinished line.
  virtual void finish(bool arrived_whole, std::function<void(IngestSummary)> done) = 0;
};

// Posts that came as one message (gRPC Ingest), not yet checked: strings are any bytes, an empty id
// and the epoch as time mean "none", `extra` is a JSON object or empty. Checked as
// ingest/post_rules.h says.
struct PostBatch {
  std::vector<Post> posts;
  RequestLimits limits;
};
struct PostError {
  std::uint32_t index = 0;  // within the batch, from 0
  std::string field;        // empty: the post as a whole
  std::string reason;       // for people: what is wrong and what to do
};
// accepted + duplicates + refused + errors = posts of the batch.
struct PostBatchResult {
  std::uint32_t accepted = 0;    // new and on disk
  std::uint32_t duplicates = 0;  // their id was stored before
  // Posts from `refused_from` on that are to be sent again: the engine is behind (after
  // `retry_after`), or, when `unavailable` says why, they could not be stored. Of the latter some
  // may have been stored already, and are recognised when they have ids.
  std::uint32_t refused = 0;
  std::uint32_t refused_from = 0;
  std::chrono::milliseconds retry_after{0};
  std::vector<PostError> errors;  // in the order of their posts
  std::string unavailable;
};

// Texts to label, for the front ends that carry a deadline (gRPC, KServe v2).
struct ClassifyCall {
  std::string model;  // empty: the one that is served
  std::vector<std::string> texts;
  RequestLimits limits;
};
struct ClassifyResult {
  std::vector<Scores> scores;            // one a text, in their order
  std::vector<std::string> answered_by;  // the model of each; empty for an empty text
  std::string model;                     // what was asked, by name and version
  std::string version;
};

// A model that texts can be sent to now, for GET /v2/models/{name} and its gRPC twin.
struct ServedModel {
  std::string name;
  std::string version;
  std::string backend;
  std::uint32_t max_length = 0;
  bool ready = false;
};

// What can be done to the models of a running engine. Swaps and canaries take JSON requests.
enum class ModelAction : std::uint8_t {
  kSwap,
  kRollback,
  kCanaryState,
  kCanaryStart,
  kCanaryPromote,
  kCanaryEnd
};
struct ControlAnswer {
  std::optional<Error> refused;
  std::string json;  // the document; of a refusal more members for the problem, or nothing
};

// What can be asked of the user rules. kPut, kValidate and kPreview take a JSON request.
enum class RuleAction : std::uint8_t { kList, kGet, kPut, kDelete, kValidate, kPreview };

// What became of classify_async() calls under one model, and what the engine ran for all callers.
struct ModelStatistics {
  struct Duration {
    std::uint64_t count = 0;
    std::chrono::nanoseconds total{0};
  };
  std::string name;
  std::string version;
  EventTime last_inference{};         // the epoch: none yet
  std::uint64_t inference_count = 0;  // texts answered
  std::uint64_t execution_count = 0;  // runs of the model, for posts too
  Duration success;                   // requests, from their arrival to their answer
  Duration fail;                      // … that were refused, late, cancelled or failed
  Duration queue;                     // texts, posts' too
  Duration compute;                   // texts, posts' too
  Duration cache_hit;                 // texts, posts' too; no time is taken of them
  Duration cache_miss;
};

// The running engine as the HTTP front end sees it; src/app implements it. JSON answers are built
// in app from the shapes in docs/api.md, so that this header stays small: each returns one JSON
// document, or an Error that the front end turns into problem details
// (kInvalidArgument 400, kNotFound 404, kResourceExhausted 429, kUnavailable 503, kInternal 500).
// Threads: every member may be called concurrently. Query members may block on disk: call them
// from the query pool, never from an I/O thread.
class Engine {
 public:
  virtual ~Engine() = default;

  // Looks up a query parameter of the request by name; nothing when absent.
  using Params = std::function<std::optional<std::string>(std::string_view)>;

  // `timeout`: within which each post should be on disk from when its line came; those that will
  // not be are refused (IngestSummary::stopped). 0: none.
  virtual std::unique_ptr<IngestSession> open_ingest(std::chrono::milliseconds timeout) = 0;
  // Takes a batch of posts; never blocks. `done` is called exactly once, from any thread (maybe
  // within this call), when every accepted post is on disk.
  virtual void ingest(PostBatch batch, std::function<void(PostBatchResult)> done) = 0;
  // POST /v1/classify: as classify_async() below, from and to the JSON of docs/api.md. `limits` is
  // what the request's headers say.
  virtual void classify_json(std::string_view request_json, RequestLimits limits,
                             std::function<void(Result<std::string>)> done) = 0;
  virtual Result<std::string> stats() = 0;  // cheap
  // Stages, queues and files, for GET /v1/system.
  virtual Result<std::string> system() {
    return Error{Code::kUnimplemented, "this engine does not tell how it fares"};
  }
  virtual Result<std::string> trends(const Params& params) = 0;
  virtual Result<std::string> series(const std::string& key, const Params& params) = 0;
  virtual Result<std::string> alerts(const Params& params) = 0;
  virtual Result<std::string> alert(const std::string& id) = 0;
  // What a person does with an alert; `request_json` may be empty (parse_action reads it). Answers
  // with the alert as alert() has it.
  virtual Result<std::string> act_on_alert(AlertEvent event, const std::string& id,
                                           std::string_view request_json) = 0;
  // Messages that wait for delivery or are dead letters, and the channels that they go over.
  virtual Result<std::string> outbox(const Params& params) = 0;
  virtual Result<std::string> channels() = 0;
  // The connectors that bring posts from elsewhere, and how they fare; cheap.
  virtual Result<std::string> sources() { return std::string(R"({"sources":[]})"); }
  virtual Result<std::string> retry_message(const std::string& id) = 0;
  virtual Result<std::string> retry_channel(const std::string& name) = 0;
  // A page, JSON or CSV, as `format` says (html when absent).
  virtual Result<std::string> report(const Params& /*params*/) {
    return Error{Code::kUnimplemented, "this engine makes no reports"};
  }
  virtual Result<std::string> posts(const Params& params) = 0;
  virtual Result<std::string> posts_summary(const Params& /*params*/) {
    return Error{Code::kUnimplemented, "this engine counts no posts"};
  }
  virtual Result<std::string> post(const std::string& id) = 0;
  virtual Result<std::string> models() = 0;
  // Blocks for up to seconds. `model` may be empty where one is served, or the request names it.
  virtual ControlAnswer control_model(ModelAction action, const std::string& model,
                                      std::string_view request_json) = 0;

  // A change is watched once it returns; blocks for some 50 ms, kPreview for up to 8 s.
  virtual Result<std::string> rules(RuleAction /*action*/, const std::string& /*name*/,
                                    std::string_view /*request_json*/) {
    return Error{Code::kUnimplemented, "this engine has no rules"};
  }

  // Labels texts; `done` is told exactly once, from any thread, maybe within this call. Never
  // blocks. kNotFound: no such model; kResourceExhausted: the deadline cannot be kept (the message
  // says the predicted wait); kDeadlineExceeded: it passed while a text waited; kCancelled.
  virtual void classify_async(ClassifyCall call,
                              std::function<void(Result<ClassifyResult>)> done) = 0;
  virtual const LabelSchema& labels() const = 0;
  virtual std::vector<ServedModel> served_models() = 0;
  virtual std::vector<ModelStatistics> model_statistics() { return {}; }
  // Loads a model from the repository and serves it under its name, or stops serving it. May block
  // for seconds: call them from a query pool. kUnimplemented where the engine cannot.
  virtual Status load_model(const std::string& name) {
    return Error{Code::kUnimplemented, "model '" + name + "': loading is not supported"};
  }
  virtual Status unload_model(const std::string& name) {
    return Error{Code::kUnimplemented, "model '" + name + "': unloading is not supported"};
  }
  virtual Status ready() = 0;  // why not, if not
  virtual std::string metrics_text() = 0;
};

// Is told of every alert, for gRPC Watch. Owned by the gRPC server, called by the engine.
// Threads: publish may be called from any thread and never blocks. `event` is an event_name().
class AlertEvents {
 public:
  virtual ~AlertEvents() = default;
  virtual void publish_alert(std::string_view event, const Alert& alert) = 0;
};

// Sends events to every open GET /v1/live. Owned by the HTTP server, called by the engine.
// Threads: publish may be called from any thread and never blocks. Bound: each client has a
// buffer of 256 events; a client that is behind loses the oldest `stats` and `post` events first
// and is disconnected when alerts alone overflow it (it resumes with Last-Event-ID).
class LiveEvents {
 public:
  virtual ~LiveEvents() = default;
  // `id` is empty for events that cannot be resumed (stats, post); `data` is one line of JSON.
  virtual void publish(std::string_view event, std::string_view id, std::string_view data) = 0;
};

}  // namespace tidewatch
