// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "infer/scored_post.h"
#include "infer/scores.h"
#include "ingest/post_decoder.h"
#include "simulate/simulator.h"

namespace tidewatch {

// The labels that the simulator gives its posts.
const LabelSchema& simulated_labels();

// The word that one simulated post of kRarePosts has beside its own, and no other.
inline constexpr std::string_view kRareWord = "虢鼐";
inline constexpr std::uint64_t kRarePosts = 100'000;

// Simulated posts with their labels, ready for the store, as if a model had read them: `posts` of
// them spread over `span`, ending about at `end`. The same seed gives the same posts.
class StoreCorpus {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::uint64_t posts = 1'000'000;
    std::chrono::hours span{24 * 30};
    EventTime end{};
    std::string id_prefix;  // so that two runs over one store do not share ids
  };
  StoreCorpus(const Options& options, const Clock& clock);
  ScoredPost next();

 private:
  const Options options_;
  FreshIds fresh_ids_{"bench"};
  PostDecoder decoder_;
  std::unique_ptr<Simulator> simulator_;
  std::uint64_t run_ = 0;
  std::uint64_t made_ = 0;
  std::string line_;
  void start_run();
};

}  // namespace tidewatch
