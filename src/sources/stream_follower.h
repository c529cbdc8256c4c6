// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/rfc3339.h"
#include "ingest/post_rules.h"
#include "sources/backoff.h"
#include "sources/delivery_lane.h"
#include "sources/durable_file.h"
#include "sources/source.h"

namespace tidewatch {

// What a connector does that follows one ordered stream, over as many connections as it takes: its
// posts on their way to the disk, the cursor that follows them, what is no post, how it fares. The
// connector speaks the protocol and knows what a position is.
// Ownership: what `context` names outlives it. Threads: the connector's; status() from any. Bound:
// one message; while the engine is behind, take_post() waits.
//
//   follower.run(stop, [&]() -> Error {   // one connection
//     follower.begin();
//     ... for each message: follower.take_post(position, post, place, message, stop);
//                           follower.keep_up();
//     return follower.end() ? why it ended : follower's error;
//   });
template <typename Position>
class StreamFollower {
 public:
  // Puts on disk that all posts up to here are there; may be called with the same one again.
  using KeepPosition = std::function<Status(const Position&)>;

  StreamFollower(const std::string& name, std::string type, const SourceContext& context,
                 Backoff::Options backoff, KeepPosition keep)
      : name_(name),
        context_(context),
        status_(name, std::move(type), "seconds", context.clock),
        ids_(name),
        rules_(context.limits, ids_),
        rejects_(context.dir / (name + ".rejected.ndjson")),
        cursor_file_(context.dir / (name + ".cursor")),
        backoff_(backoff, std::hash<std::string>{}(name)),
        keep_(std::move(keep)) {}

  SourceStatus& status() { return status_; }
  const SourceStatus& status() const { return status_; }
  const std::filesystem::path& cursor_file() const { return cursor_file_; }

  void run(const std::stop_token& stop, const std::function<Status()>& connection) {
    keep_trying(context_, status_, backoff_, stop, connection);
  }

  // A new connection: what an earlier one saw may not be on disk.
  void begin() {
    lane_ = std::make_shared<DeliveryLane<Position>>();
    next_save_ = context_.clock.steady_now() + kSaveEvery;
  }

  // A message came.
  void heard() {
    status_.heard();
    backoff_.reset();
  }
  // A message at `position` that brings nothing.
  void pass(Position position) { lane_->open(std::move(position), 0); }
  // A post at `position`, read from `value`; set aside where the rules of posts refuse it.
  // kCancelled: stopped before it was taken.
  Status take_post(Position position, Post post, std::string_view place, std::string_view value,
                   const std::stop_token& stop) {
    post.source = name_;
    if (const auto error = rules_.apply(post, context_.clock.wall_now())) {
      TRY(set_aside(place, error->field + ": " + error->reason, value));
      pass(std::move(position));
      return {};
    }
    const std::uint64_t ticket = lane_->open(std::move(position), 1);
    if (deliver(context_, status_, stop, post, lane_, ticket)) return {};
    lane_->told(ticket, Receipt::kFailed, "stopped");
    return Error{Code::kCancelled, "stopped"};
  }
  // What is no post.
  Status set_aside(std::string_view place, std::string_view reason, std::string_view value) {
    status_.rejected();
    return rejects_.append(to_rfc3339(context_.clock.wall_now()), place, reason, value);
  }

  // Saves when it is time for that: to be called whenever the other side gave a sign of life, since
  // the last posts before a silence are told after their message.
  Status keep_up() {
    if (context_.clock.steady_now() < next_save_) return {};
    next_save_ = context_.clock.steady_now() + kSaveEvery;
    return save();
  }
  // The counts and the position. kUnavailable: a post, or the position, could not be stored.
  Status save() {
    const auto counts = lane_->take_counts();
    status_.count(counts.stored, counts.duplicates);
    if (const auto durable = lane_->durable()) {
      TRY(rejects_.sync());
      TRY(keep_(*durable));
    }
    if (const auto failure = lane_->failure()) {
      return Error{Code::kUnavailable, "posts cannot be stored: " + *failure};
    }
    return {};
  }
  // The connection is over: waits for its posts, at most kDrainTime, and saves.
  Status end() {
    lane_->drain(context_.clock.steady_now() + kDrainTime);
    return save();
  }

 private:
  static constexpr std::chrono::seconds kSaveEvery{5};
  static constexpr std::chrono::seconds kDrainTime{10};

  const std::string name_;
  const SourceContext context_;
  SourceStatus status_;
  FreshIds ids_;  // never asked: posts of a stream have ids
  const PostRules rules_;
  RejectFile rejects_;
  const std::filesystem::path cursor_file_;
  Backoff backoff_;
  const KeepPosition keep_;
  std::shared_ptr<DeliveryLane<Position>> lane_;  // of the connection
  SteadyTime next_save_{};
};

}  // namespace tidewatch
