// SPDX-License-Identifier: Apache-2.0
#include "app/post_intake.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/ndjson_session.h"

namespace tidewatch {
namespace {

constexpr std::chrono::milliseconds kRateAge{200};
constexpr std::chrono::milliseconds kWaitMin{5};
constexpr std::chrono::milliseconds kWaitMax{10'000};

}  // namespace

// What is known of a batch; lives until its last post was told. Not locked: take() fills it before
// it lets go of its own share of `left_`, and committed() comes from one thread at a time.
class PostIntake::Tally final : public CommitListener {
 public:
  Tally(std::size_t posts, Metrics& metrics, std::function<void(PostBatchResult)> done)
      : metrics_(metrics), done_(std::move(done)), fates_(posts, Fate::kAdmitted) {}

  void committed(std::uint64_t index, Outcome outcome, const Status& status) override {
    switch (outcome) {
      case Outcome::kStored:
        fates_[index] = Fate::kStored;
        break;
      case Outcome::kDuplicate:
        fates_[index] = Fate::kDuplicate;
        break;
      case Outcome::kFailed:
        fates_[index] = Fate::kFailed;
        if (unavailable_.empty()) {
          unavailable_ = "posts cannot be stored: " + status.error().message;
        }
        break;
    }
    release();
  }

  void admitted() { left_.fetch_add(1, std::memory_order_relaxed); }
  void not_admitted() { left_.fetch_sub(1, std::memory_order_relaxed); }
  bool is_wrong(std::size_t index) const { return fates_[index] == Fate::kWrong; }
  void wrong(std::uint32_t index, DecodeError error) {
    fates_[index] = Fate::kWrong;
    errors_.push_back({index, std::move(error.field), std::move(error.reason)});
  }
  void refused_from(std::size_t index, std::chrono::milliseconds retry_after) {
    for (std::size_t i = index; i < fates_.size(); ++i) {
      if (fates_[i] != Fate::kWrong) fates_[i] = Fate::kRefused;
    }
    retry_after_ = retry_after;
  }
  // Once for each post that was admitted and once for take(); the last makes the answer.
  void release() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    PostBatchResult result;
    const auto again = std::find_if(fates_.begin(), fates_.end(), [](Fate fate) {
      return fate == Fate::kFailed || fate == Fate::kRefused;
    });
    result.refused_from =
        again == fates_.end() ? 0 : static_cast<std::uint32_t>(again - fates_.begin());
    for (auto fate = fates_.begin(); fate != again; ++fate) {
      result.accepted += *fate == Fate::kStored ? 1 : 0;
      result.duplicates += *fate == Fate::kDuplicate ? 1 : 0;
    }
    const auto wrong_after =
        static_cast<std::size_t>(std::count(again, fates_.end(), Fate::kWrong));
    result.refused =
        static_cast<std::uint32_t>(static_cast<std::size_t>(fates_.end() - again) - wrong_after);
    result.errors = std::move(errors_);
    result.retry_after = retry_after_;
    result.unavailable = std::move(unavailable_);
    metrics_.posts_accepted().add(
        static_cast<std::uint64_t>(std::count(fates_.begin(), fates_.end(), Fate::kStored)));
    metrics_.posts_duplicate().add(
        static_cast<std::uint64_t>(std::count(fates_.begin(), fates_.end(), Fate::kDuplicate)));
    done_(std::move(result));
  }

 private:
  enum class Fate : std::uint8_t { kAdmitted, kWrong, kStored, kDuplicate, kFailed, kRefused };

  Metrics& metrics_;
  const std::function<void(PostBatchResult)> done_;
  std::atomic<std::size_t> left_{1};
  std::vector<Fate> fates_;  // by post; of those that were admitted written by committed()
  std::vector<PostError> errors_;
  std::chrono::milliseconds retry_after_{0};
  std::string unavailable_;
};

PostIntake::PostIntake(const DecodeLimits& limits, const Clock& clock, FreshIds& fresh_ids,
                       Pipeline& pipeline, Metrics& metrics, StageTimes& times)
    : rules_(limits, fresh_ids),
      clock_(clock),
      pipeline_(pipeline),
      metrics_(metrics),
      times_(times) {}

void PostIntake::take(PostBatch batch, std::function<void(PostBatchResult)> done) {
  const SteadyTime received = clock_.steady_now();
  const EventTime arrival = clock_.wall_now();
  std::vector<Post>& posts = batch.posts;
  const auto tally = std::make_shared<Tally>(posts.size(), metrics_, std::move(done));
  for (std::size_t i = 0; i < posts.size(); ++i) {
    auto error = rules_.apply(posts[i], arrival);
    if (!error) continue;
    metrics_.rejected(rejection_reason(*error)).add();
    tally->wrong(static_cast<std::uint32_t>(i), *std::move(error));
  }
  if (!posts.empty()) {
    times_.record(Stage::kDecode, (clock_.steady_now() - received) / posts.size(), posts.size());
  }
  for (std::size_t i = 0; i < posts.size(); ++i) {
    if (tally->is_wrong(i)) continue;
    tally->admitted();  // before submit: the answer may come before it returns
    const auto admission = pipeline_.submit(std::move(posts[i]), received, tally, i, /*wait=*/false,
                                            batch.limits.deadline);
    if (admission == Pipeline::Admission::kAdmitted) continue;
    tally->not_admitted();
    metrics_.shed().add(posts.size() - i);
    tally->refused_from(i, predicted_wait(posts.size() - i));
    break;
  }
  tally->release();
}

std::chrono::milliseconds PostIntake::predicted_wait(std::size_t posts) {
  const SteadyTime now = clock_.steady_now();
  const std::int64_t now_ns = now.time_since_epoch().count();
  const std::int64_t looked_up = rate_at_ns_.load(std::memory_order_relaxed);
  if (looked_up == 0 || now_ns - looked_up > std::chrono::nanoseconds{kRateAge}.count()) {
    rate_at_ns_.store(now_ns, std::memory_order_relaxed);
    rate_.store(times_.recent().per_second(now), std::memory_order_relaxed);
  }
  const double rate = std::max(rate_.load(std::memory_order_relaxed), 1.0);
  const double needed =
      static_cast<double>(std::min(posts + pipeline_.in_flight() / 2, pipeline_.in_flight_max()));
  const auto wait = std::chrono::milliseconds{std::llround(std::ceil(1e3 * needed / rate))};
  const auto predicted = std::chrono::ceil<std::chrono::milliseconds>(pipeline_.predicted_time());
  return std::clamp(std::max(wait, predicted), kWaitMin, kWaitMax);
}

}  // namespace tidewatch
