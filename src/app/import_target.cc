// SPDX-License-Identifier: Apache-2.0
#include "app/import_target.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "app/engine_client.h"
#include "app/runtime.h"
#include "app/source_desk.h"
#include "ingest/post_json.h"
#include "sources/delivery_lane.h"
#include "sources/foreign_json.h"

namespace tidewatch {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::milliseconds kRetryMin{50};
constexpr std::chrono::milliseconds kStopLook{100};
constexpr std::chrono::milliseconds kRoomPause{2};

Error stopped() { return {Code::kCancelled, "stopped; the same command goes on from here"}; }

// A member as a person reads it; `instead` where there is none.
std::string shown(const Json& object, const char* key, const std::string& instead) {
  const auto member = object.find(key);
  if (member == object.end()) return instead;
  if (member->is_string()) return member->get<std::string>();
  return member->dump(-1, ' ', false, Json::error_handler_t::replace);
}

class UrlTarget final : public ImportTarget {
 public:
  UrlTarget(WebhookUrl url, Interrupted interrupted)
      : url_(std::move(url)), interrupted_(std::move(interrupted)) {}

  Status send(std::vector<Post> posts) override {
    std::size_t from = 0;
    while (from < posts.size()) {
      if (interrupted_()) return stopped();
      std::string body;
      for (std::size_t i = from; i < posts.size(); ++i) {
        append_post_json(posts[i], body);
        body += '\n';
      }
      TRY_ASSIGN(const EngineAnswer answer,
                 post_to_engine(url_, "/v1/posts", "application/x-ndjson", body));
      const auto parsed = parse_foreign_json(answer.body);
      const Json json = parsed ? *parsed : Json{};
      const auto accepted = foreign_count(json, "accepted");
      const auto duplicates = foreign_count(json, "duplicates");
      const auto rejected = foreign_count(json, "rejected");
      const auto again = foreign_count(json, "unprocessed_from_line");
      if (!accepted || !json.contains("accepted") || !duplicates || !rejected || !again ||
          *again > posts.size() - from) {
        return Error{Code::kUnavailable, fmt::format("{}: answered {}: {}", url_.origin(),
                                                     answer.status, answer.body.substr(0, 200))};
      }
      counts_.stored += *accepted;
      counts_.duplicates += *duplicates;
      if (*rejected > 0) {
        return Error{Code::kInvalidArgument,
                     fmt::format("{}: refused a post: {}", url_.origin(),
                                 shown(json, "errors", answer.body).substr(0, 300))};
      }
      if (*again == 0) return {};
      if (answer.status != 429) {
        return Error{Code::kUnavailable,
                     fmt::format("{}: {}", url_.origin(), shown(json, "detail", answer.body))};
      }
      from += *again - 1;
      TRY(wait(std::max(kRetryMin, answer.retry_after)));
    }
    return {};
  }
  Status settle() override { return {}; }  // an answer means that it is on disk
  Status finish() override { return {}; }
  Counts counts() const override { return counts_; }

 private:
  Status wait(std::chrono::milliseconds time) const {
    for (; time.count() > 0; time -= kStopLook) {
      if (interrupted_()) return stopped();
      std::this_thread::sleep_for(std::min(time, kStopLook));
    }
    return {};
  }

  const WebhookUrl url_;
  const Interrupted interrupted_;
  Counts counts_;
};

class StoreTarget final : public ImportTarget {
 public:
  StoreTarget(std::unique_ptr<Runtime> runtime, Interrupted interrupted)
      : runtime_(std::move(runtime)),
        interrupted_(std::move(interrupted)),
        sink_(runtime_->pipeline(), runtime_->metrics(), runtime_->clock()),
        lane_(std::make_shared<DeliveryLane<std::uint64_t>>()) {}

  Status send(std::vector<Post> posts) override {
    const std::uint64_t ticket = lane_->open(++batches_, posts.size());
    for (std::size_t i = 0; i < posts.size(); ++i) {
      while (!sink_.offer(posts[i], lane_, ticket)) {
        if (interrupted_()) {
          for (; i < posts.size(); ++i) lane_->told(ticket, Receipt::kFailed, "not sent");
          return stopped();
        }
        std::this_thread::sleep_for(kRoomPause);
      }
    }
    return {};
  }
  Status settle() override {
    lane_->drain(SteadyTime::max());
    const auto counts = lane_->take_counts();
    counts_.stored += counts.stored;
    counts_.duplicates += counts.duplicates;
    if (const auto failure = lane_->failure()) {
      return Error{Code::kUnavailable, "posts cannot be stored: " + *failure};
    }
    return {};
  }
  Status finish() override {
    TRY(settle());
    runtime_->finish();
    if (runtime_->counting().unwritten() > 0) {
      return Error{Code::kUnavailable, "alerts could not be written; see the log above"};
    }
    return {};
  }
  Counts counts() const override { return counts_; }

 private:
  const std::unique_ptr<Runtime> runtime_;
  const Interrupted interrupted_;
  PipelineSink sink_;
  const std::shared_ptr<DeliveryLane<std::uint64_t>> lane_;
  std::uint64_t batches_ = 0;
  Counts counts_;
};

}  // namespace

Result<std::unique_ptr<ImportTarget>> make_url_target(const std::string& url,
                                                      const Interrupted& interrupted) {
  TRY_ASSIGN(WebhookUrl parsed, parse_engine_url(url));
  return std::unique_ptr<ImportTarget>(std::make_unique<UrlTarget>(std::move(parsed), interrupted));
}

Result<std::unique_ptr<ImportTarget>> make_store_target(const Config& config, const Clock& clock,
                                                        const Interrupted& interrupted) {
  TRY_ASSIGN(auto runtime, Runtime::start(config, Runtime::Mode::kReplay, clock, {}));
  return std::unique_ptr<ImportTarget>(
      std::make_unique<StoreTarget>(std::move(runtime), interrupted));
}

}  // namespace tidewatch
