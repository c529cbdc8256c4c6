// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/tally.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tidewatch {
namespace {

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

void add(PostCounts& sum, const PostCounts& more) {
  sum.offered += more.offered;
  sum.good += more.good;
  sum.late += more.late;
  sum.expired += more.expired;
  sum.refused += more.refused;
  sum.failed += more.failed;
  sum.lost += more.lost;
}

}  // namespace

void Tally::Counts::add(PostOutcome outcome, bool in_time) noexcept {
  std::atomic<std::uint64_t>* counter = nullptr;
  switch (outcome) {
    case PostOutcome::kAccepted:
      counter = in_time ? &good : &late;
      break;
    case PostOutcome::kRefused:
      counter = &refused;
      break;
    case PostOutcome::kExpired:
      counter = &expired;
      break;
    case PostOutcome::kFailed:
      counter = &failed;
      break;
  }
  counter->fetch_add(1, std::memory_order_relaxed);
}

PostCounts Tally::Counts::read() const noexcept {
  PostCounts counts;
  counts.good = good.load(std::memory_order_relaxed);
  counts.late = late.load(std::memory_order_relaxed);
  counts.expired = expired.load(std::memory_order_relaxed);
  counts.refused = refused.load(std::memory_order_relaxed);
  counts.failed = failed.load(std::memory_order_relaxed);
  counts.offered = offered.load(std::memory_order_relaxed);
  const std::uint64_t answered =
      counts.good + counts.late + counts.expired + counts.refused + counts.failed;
  counts.lost = counts.offered > answered ? counts.offered - answered : 0;
  return counts;
}

Tally::Tally(std::vector<LoadPhase> phases, std::chrono::nanoseconds deadline)
    : deadline_(deadline) {
  assert(!phases.empty());
  std::chrono::nanoseconds begin{};
  for (LoadPhase& plan : phases) {
    auto phase = std::make_unique<Phase>();
    phase->begin = begin;
    begin += plan.rate.length;
    phase->plan = std::move(plan);
    phases_.push_back(std::move(phase));
  }
  const auto whole = std::chrono::ceil<std::chrono::seconds>(begin).count();
  const auto per_step =
      std::max<std::int64_t>(1, (whole + static_cast<std::int64_t>(kTimelineSteps) - 1) /
                                    static_cast<std::int64_t>(kTimelineSteps));
  step_ = std::chrono::seconds(per_step);
  steps_ = std::vector<Step>(static_cast<std::size_t>(whole / per_step + 1));
}

std::size_t Tally::phase_at(std::chrono::nanoseconds from_start) const noexcept {
  std::size_t i = phases_.size() - 1;
  while (i > 0 && phases_[i]->begin > from_start) --i;
  return i;
}

Tally::Step& Tally::step_at(std::chrono::nanoseconds from_start) noexcept {
  const auto i = static_cast<std::size_t>(std::max<std::int64_t>(0, from_start / step_));
  return steps_[std::min(i, steps_.size() - 1)];
}

void Tally::offered(SteadyTime due) noexcept {
  const auto at = due - started_at();
  phases_[phase_at(at)]->counts.offered.fetch_add(1, std::memory_order_relaxed);
  step_at(at).counts.offered.fetch_add(1, std::memory_order_relaxed);
  offered_.fetch_add(1, std::memory_order_release);
}

void Tally::answered(SteadyTime due, SteadyTime sent, SteadyTime now, PostOutcome outcome,
                     bool marked) noexcept {
  const auto at = due - started_at();
  const auto latency = now - due;
  const bool in_time = latency <= deadline_;
  Phase& phase = *phases_[phase_at(at)];
  Step& step = step_at(at);
  phase.counts.add(outcome, in_time);
  step.counts.add(outcome, in_time);
  if (outcome == PostOutcome::kAccepted) {
    phase.latency.record(latency);
    step.latency.record(latency);
    if (phase.plan.measured) {
      all_.record(latency);
      (marked ? marked_ : unmarked_).record(latency);
    }
    accepted_.fetch_add(1, std::memory_order_relaxed);
  } else if (outcome == PostOutcome::kRefused) {
    phase.refusal.record(now - sent);
    if (phase.plan.measured) all_refusal_.record(now - sent);
  } else if (marked) {
    marked_failed_.fetch_add(1, std::memory_order_relaxed);
  }
  if (outcome != PostOutcome::kAccepted || !in_time) {
    std::int64_t last = phase.last_miss_ns.load(std::memory_order_relaxed);
    while (last < at.count() &&
           !phase.last_miss_ns.compare_exchange_weak(last, at.count(), std::memory_order_relaxed)) {
    }
  }
  answered_.fetch_add(1, std::memory_order_release);
}

PhaseFigures Tally::figures(std::size_t i) const {
  const Phase& phase = *phases_[i];
  PhaseFigures figures;
  figures.name = phase.plan.name;
  figures.measured = phase.plan.measured;
  figures.rate = phase.plan.rate.per_second;
  figures.seconds = seconds(phase.plan.rate.length);
  figures.counts = phase.counts.read();
  figures.latency = phase.latency.percentiles();
  figures.refusal = phase.refusal.percentiles();
  const std::int64_t last_miss = phase.last_miss_ns.load(std::memory_order_relaxed);
  if (last_miss >= 0) {
    figures.normal_after_s = seconds(std::chrono::nanoseconds(last_miss) - phase.begin);
  }
  return figures;
}

PhaseFigures Tally::total() const {
  PhaseFigures total;
  total.name = "total";
  double planned = 0;
  for (std::size_t i = 0; i < phases_.size(); ++i) {
    const PhaseFigures one = figures(i);
    if (!one.measured) continue;
    add(total.counts, one.counts);
    total.seconds += one.seconds;
    planned += one.rate * one.seconds;
  }
  if (total.seconds > 0) total.rate = planned / total.seconds;
  total.latency = all_.percentiles();
  total.refusal = all_refusal_.percentiles();
  return total;
}

std::vector<TimelineFigures> Tally::timeline() const {
  std::vector<TimelineFigures> out;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    TimelineFigures figures;
    figures.at_s = seconds(step_) * static_cast<double>(i);
    figures.counts = steps_[i].counts.read();
    if (figures.counts.offered == 0 && i + 1 == steps_.size()) break;
    const Percentiles latency = steps_[i].latency.percentiles();
    figures.p99_ms = latency.p99;
    figures.max_ms = latency.max;
    out.push_back(figures);
  }
  return out;
}

}  // namespace tidewatch
