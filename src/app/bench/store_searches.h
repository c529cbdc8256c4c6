// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "store/store.h"

namespace tidewatch {

// The kinds of searches of `bench store`, in the order in which they are asked.
enum class SearchKind : std::uint8_t {
  kRare,
  kCommonWord,
  kPhrase,
  kBoolean,
  kRegionEmotion,
  kAuthor,
  kTimeRange,
  kSummary,
  kSummaryOfAll,
  kDeepPage
};
inline constexpr std::array<std::string_view, 10> kSearchKinds = {
    "rare word", "common word", "phrase",  "boolean with NOT", "region + emotion",
    "author",    "time range",  "summary", "summary of all",   "deep page"};

// Asks searches as people would ask them of the posts that are there: words, phrases, authors and
// regions are taken from a sample of the store. The same seed asks the same of the same store.
// Threads: one at a time.
class StoreSearches {
 public:
  // Samples posts spread over the store.
  static Result<std::unique_ptr<StoreSearches>> create(Store& store,
                                                       std::shared_ptr<const SearchNames> names,
                                                       std::uint64_t seed);
  struct Answer {
    bool complete = true;  // of a summary: exact
    std::uint64_t posts = 0;
  };
  // One search, from the question to its answer.
  Result<Answer> ask(SearchKind kind);

 private:
  StoreSearches(Store& store, std::shared_ptr<const SearchNames> names, std::uint64_t seed)
      : store_(store), names_(std::move(names)), random_(seed) {}
  Status sample();
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }
  const std::string& common() { return common_[below(common_.size())]; }
  PostQuery question(SearchKind kind);
  std::string phrase();
  Result<Answer> deep_page();

  Store& store_;
  const std::shared_ptr<const SearchNames> names_;
  std::mt19937_64 random_;
  EventTime oldest_{}, newest_{};
  std::vector<std::string> common_;  // frequent pairs of characters
  std::vector<std::string> texts_, authors_, regions_;
  PostQuery paging_{};  // where the next deep page begins
};

}  // namespace tidewatch
