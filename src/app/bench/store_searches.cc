// SPDX-License-Identifier: Apache-2.0
#include "app/bench/store_searches.h"

#include <algorithm>
#include <map>

#include "app/bench/store_corpus.h"
#include "query/folded_text.h"

namespace tidewatch {
namespace {

constexpr std::size_t kSamples = 40;       // places in the store
constexpr std::size_t kSamplePosts = 100;  // at each
constexpr std::size_t kCommonWords = 40;
constexpr std::size_t kPhraseUnits = 5;
constexpr std::size_t kPagePosts = 50;
constexpr auto kSummarySpan = std::chrono::hours{24};
constexpr auto kRangeSpan = std::chrono::hours{1};

}  // namespace

Result<std::unique_ptr<StoreSearches>> StoreSearches::create(
    Store& store, std::shared_ptr<const SearchNames> names, std::uint64_t seed) {
  std::unique_ptr<StoreSearches> searches(new StoreSearches(store, std::move(names), seed));
  TRY(searches->sample());
  return searches;
}

Status StoreSearches::sample() {
  const StoreStats stats = store_.stats();
  oldest_ = stats.oldest.value_or(EventTime{});
  newest_ = stats.newest.value_or(EventTime{});
  std::map<std::string, std::uint64_t, std::less<>> pairs;
  FoldedText folded;
  for (std::size_t i = 0; i < kSamples; ++i) {
    PostQuery query;
    query.limit = kSamplePosts;
    query.before = {stats.first.value +
                    (stats.last.value - stats.first.value) * (i + 1) / kSamples};
    TRY_ASSIGN(const PostPage page, store_.posts(query));
    for (const StoredPost& stored : page.posts) {
      if (!stored.post.author.empty()) authors_.push_back(stored.post.author);
      if (!stored.post.region.empty()) regions_.push_back(stored.post.region);
      fold_text(stored.post.text, folded);
      if (folded.units.size() > 2 * kPhraseUnits) texts_.push_back(stored.post.text);
      for (std::size_t unit = 0; unit < folded.units.size(); ++unit) {
        if (is_bigram(folded, unit)) ++pairs[std::string{bigram(folded, unit)}];
      }
    }
  }
  std::vector<std::pair<std::uint64_t, std::string>> by_count;
  for (const auto& [pair, count] : pairs) by_count.emplace_back(count, pair);
  std::sort(by_count.rbegin(), by_count.rend());
  for (const auto& [count, pair] : by_count) {
    if (common_.size() < kCommonWords) common_.push_back(pair);
  }
  if (common_.size() < kCommonWords || texts_.empty() || authors_.empty() || regions_.empty()) {
    return Error{Code::kFailedPrecondition, "the store holds too few posts to ask about"};
  }
  return {};
}

// Some characters that follow one another somewhere in a text of the sample.
std::string StoreSearches::phrase() {
  FoldedText folded;
  fold_text(texts_[below(texts_.size())], folded);
  const std::size_t begin = below(folded.units.size() - kPhraseUnits);
  std::string phrase = "\"";
  for (std::size_t i = begin; i < begin + kPhraseUnits; ++i) {
    if (i > begin && !folded.units[i].joined) phrase += ' ';
    phrase += folded.unit(i);
  }
  return phrase + "\"";
}

PostQuery StoreSearches::question(SearchKind kind) {
  PostQuery query;
  query.limit = kPagePosts;
  query.names = names_;
  const auto span = std::chrono::duration_cast<std::chrono::seconds>(newest_ - oldest_).count();
  const auto some_time = [&] {
    const auto seconds = below(static_cast<std::size_t>(std::max<std::int64_t>(span, 1)));
    return oldest_ + std::chrono::seconds{seconds};
  };
  switch (kind) {
    case SearchKind::kRare:
      query.q = kRareWord;
      break;
    case SearchKind::kCommonWord:
      query.q = common();
      break;
    case SearchKind::kPhrase:
      query.q = phrase();
      break;
    case SearchKind::kBoolean:
      query.q = "(" + common() + " OR " + common() + ") " + common() + " NOT " + common();
      break;
    case SearchKind::kRegionEmotion:
      query.q = common();
      query.region = regions_[below(regions_.size())];
      query.emotion = "negative";
      break;
    case SearchKind::kAuthor:
      query.author = authors_[below(authors_.size())];
      break;
    case SearchKind::kTimeRange:
      query.q = common();
      query.since = some_time();
      query.until = *query.since + kRangeSpan;
      break;
    case SearchKind::kSummary:
      query.q = common();
      query.since = some_time();
      query.until = *query.since + kSummarySpan;
      break;
    case SearchKind::kSummaryOfAll:
      query.q = common();
      break;
    case SearchKind::kDeepPage:
      break;
  }
  return query;
}

// One page of a walk that begins anywhere in the store and goes on for ever.
Result<StoreSearches::Answer> StoreSearches::deep_page() {
  if (paging_.before.value == 0) {
    paging_ = question(SearchKind::kCommonWord);
    const StoreStats stats = store_.stats();
    paging_.before = {stats.first.value + 1 + below(stats.posts)};
  }
  TRY_ASSIGN(const PostPage page, store_.posts(paging_));
  paging_.before = page.next.value_or(Sequence{});
  if (below(20) == 0) paging_.before = {};
  return Answer{page.complete, page.posts.size()};
}

Result<StoreSearches::Answer> StoreSearches::ask(SearchKind kind) {
  if (kind == SearchKind::kDeepPage) return deep_page();
  const PostQuery query = question(kind);
  if (kind == SearchKind::kSummary || kind == SearchKind::kSummaryOfAll) {
    TRY_ASSIGN(const PostSummary summary, store_.summary(query, 60));
    return Answer{summary.exact, summary.posts};
  }
  TRY_ASSIGN(const PostPage page, store_.posts(query));
  return Answer{page.complete, page.posts.size()};
}

}  // namespace tidewatch
