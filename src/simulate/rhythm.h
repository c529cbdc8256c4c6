// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "core/clock.h"
#include "simulate/random.h"

namespace tidewatch {

// How much is posted at this hour in China, relative to the mean of the day.
double daily_activity(EventTime at);

// What this time of day in China is called in a post: "早上".
std::string_view daypart(EventTime at);

// The hour in China, 0-23.
int china_hour(EventTime at);

// Background arrivals: a Poisson process with the daily rhythm, whose mean over the run is the
// rate asked for. Not thread-safe.
class Background {
 public:
  Background(EventTime start, std::chrono::minutes duration, double posts_per_second);

  // Moves to the next arrival. Returns false when the run is over.
  bool next(Random& random, EventTime& at);

 private:
  double rate_per_ms(EventTime at) const { return daily_activity(at) * scale_; }

  EventTime start_;
  EventTime end_;
  double scale_ = 0;
  double now_ms_ = 0;  // since start_
};

enum class WaveKind { kWave, kCopypaste, kHappy };

// The arrivals of one planted event: exactly `posts` of them, in order, without storing them.
// A wave rises fast, decays slowly and flares up again now and then, as cascades of reposts do; a
// happy burst is sudden and short; a copy-paste flood starts and stops like a machine.
// Not thread-safe.
class Wave {
 public:
  Wave(WaveKind kind, EventTime start, std::chrono::seconds duration, std::uint64_t posts,
       Random& random);

  // Moves to the next arrival. Returns false when all have been given.
  bool next(Random& random, EventTime& at);

 private:
  static constexpr std::size_t kSteps = 256;
  EventTime start_;
  double duration_ms_;
  std::uint64_t left_;
  double quantile_ = 0;                     // of the last arrival
  std::array<double, kSteps + 1> share_{};  // cumulative share of the posts at each step of time
  std::size_t step_ = 0;                    // where quantile_ lies in share_
};

}  // namespace tidewatch
