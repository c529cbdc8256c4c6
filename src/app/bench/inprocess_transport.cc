// SPDX-License-Identifier: Apache-2.0
#include "app/bench/inprocess_transport.h"

#include <fmt/format.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace tidewatch {
namespace {

PostOutcome outcome_of(Code code) {
  switch (code) {
    case Code::kOk:
      return PostOutcome::kAccepted;
    case Code::kResourceExhausted:
      return PostOutcome::kRefused;
    case Code::kDeadlineExceeded:
      return PostOutcome::kExpired;
    default:
      return PostOutcome::kFailed;
  }
}

// A bundle whose posts are on their way through the pipeline.
class Pending final : public CommitListener {
 public:
  Pending(std::unique_ptr<Bundle> bundle, const TransportOptions& options)
      : bundle_(std::move(bundle)), options_(options) {}

  void committed(std::uint64_t i, Outcome outcome, const Status& status) override {
    const SteadyTime now = std::chrono::steady_clock::now();
    const bool stored = outcome != Outcome::kFailed;
    bundle_->tell(i, i + 1,
                  stored        ? PostOutcome::kAccepted
                  : status.ok() ? PostOutcome::kFailed
                                : outcome_of(status.error().code),
                  now);
    if (stored && options_.on_acknowledged) options_.on_acknowledged(bundle_->first_index + i);
  }
  const Bundle& bundle() const { return *bundle_; }

 private:
  const std::unique_ptr<Bundle> bundle_;
  const TransportOptions& options_;
};

class InprocessTransport final : public Transport {
 public:
  InprocessTransport(TransportOptions options, Runtime& runtime)
      : options_(std::move(options)), runtime_(runtime) {}
  ~InprocessTransport() override { InprocessTransport::close(); }

  Status open() override { return {}; }
  void send(std::unique_ptr<Bundle> bundle) override {
    ++messages_;
    if (options_.classify) {
      classify(std::move(bundle));
    } else {
      ingest(std::move(bundle));
    }
  }
  // Whatever was admitted is answered: nothing may come back after this.
  void close() override {
    if (options_.classify) {
      runtime_.inference().drain();
    } else {
      runtime_.pipeline().drain();
    }
  }
  TransportCounts counts() const override { return {messages_, 0, 0, 0}; }

 private:
  void ingest(std::unique_ptr<Bundle> bundle) {
    const auto pending = std::make_shared<Pending>(std::move(bundle), options_);
    const Bundle& posts = pending->bundle();
    for (std::size_t i = 0; i < posts.size(); ++i) {
      Post post;
      post.text = posts.text(i);
      post.time = runtime_.clock().wall_now();
      if (options_.bare) {
        post.id = runtime_.fresh_ids().next();
      } else {
        write_post_id(options_.seed, posts.first_index + i, post.id);
        post.author = fmt::format("a{}", posts.senders[i].author);
        post.region = posts.senders[i].region;
      }
      const auto admission = runtime_.pipeline().submit(
          std::move(post), posts.due[i], pending, i, /*wait=*/false,
          options_.tell_deadline ? posts.due[i] + posts.tally->deadline() : SteadyTime::max());
      if (admission == Pipeline::Admission::kBehind) {
        posts.tell(i, i + 1, PostOutcome::kRefused, std::chrono::steady_clock::now());
      }
    }
  }

  void classify(std::unique_ptr<Bundle> bundle) {
    const std::shared_ptr<const Bundle> posts = std::move(bundle);
    RequestLimits limits;
    if (options_.tell_deadline) limits.deadline = posts->due.front() + posts->tally->deadline();
    std::vector<std::string> texts;
    texts.reserve(posts->size());
    for (std::size_t i = 0; i < posts->size(); ++i) texts.emplace_back(posts->text(i));
    runtime_.inference().classify_async(
        texts, limits, [posts](const Result<std::vector<Scores>>& scores) {
          posts->tell(0, posts->size(), outcome_of(scores ? Code::kOk : scores.error().code),
                      std::chrono::steady_clock::now());
        });
  }

  const TransportOptions options_;
  Runtime& runtime_;
  std::atomic<std::uint64_t> messages_{0};
};

}  // namespace

std::unique_ptr<Transport> make_inprocess_transport(TransportOptions options, Runtime& runtime) {
  return std::make_unique<InprocessTransport>(std::move(options), runtime);
}

}  // namespace tidewatch
