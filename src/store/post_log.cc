// SPDX-License-Identifier: Apache-2.0
#include "store/post_log.h"

#include <algorithm>
#include <cassert>

#include "store/post_rows.h"
#include "store/schema.h"

namespace tidewatch {

Status PostLog::load() {
  TRY(label_sets_.load(db_));
  TRY(blocks_.load(db_));
  TRY_ASSIGN(const auto floor, get_meta(db_, "floor"));
  TRY_ASSIGN(const auto last, db_.number("SELECT max(sequence) FROM posts"));
  floor_ = floor.value_or(0);
  last_ = std::max(last.value_or(0), floor.value_or(0));
  TRY_ASSIGN(find_id_, db_.prepare("SELECT sequence FROM posts WHERE id_key=?1 AND id=?2"));
  TRY_ASSIGN(insert_, db_.prepare(kInsertPost));
  TRY_ASSIGN(upsert_block_, db_.prepare("INSERT OR REPLACE INTO post_blocks VALUES(?1,?2,?3,?4)"));
  return {};
}

Result<std::vector<Store::Appended>> PostLog::append(std::span<ScoredPost* const> posts,
                                                     const LabelSchema& labels, EventTime now) {
  TRY_ASSIGN(const LabelSet* const label_set, label_sets_.ensure(db_, labels));
  std::vector<Store::Appended> appended;
  appended.reserve(posts.size());
  std::vector<Block> changed;
  std::int64_t sequence = last();
  TRY_ASSIGN(Transaction transaction, Transaction::begin(db_, Transaction::Kind::kWrite));
  for (ScoredPost* const post : posts) {
    TRY_ASSIGN(const Store::Appended one, append_one(*post, *label_set, sequence));
    if (one.is_new) note_block(changed, sequence, to_millis(post->post.time), to_millis(now));
    appended.push_back(one);
  }
  if (!changed.empty()) {
    TRY(write_blocks(changed));
    TRY(transaction.commit());
  }
  for (std::size_t i = 0; i < posts.size(); ++i) posts[i]->sequence = appended[i].sequence;
  blocks_.update(changed);
  last_.store(sequence, std::memory_order_release);
  return appended;
}

// Moves `sequence` on when the post is new.
Result<Store::Appended> PostLog::append_one(ScoredPost& post, const LabelSet& labels,
                                            std::int64_t& sequence) {
  if (post.post.id.empty()) return Error{Code::kInvalidArgument, "a post without an id"};
  const std::int64_t key = id_key(post.post.id);
  find_id_.bind(1, key);
  find_id_.bind(2, std::string_view{post.post.id});
  TRY_ASSIGN(const auto known, find_id_.number());
  if (known) return Store::Appended{{static_cast<std::uint64_t>(*known)}, false};
  bind_post_row(insert_, sequence + 1, post, labels, key, scratch_);
  TRY(insert_.run());
  ++sequence;
  return Store::Appended{{static_cast<std::uint64_t>(sequence)}, true};
}

void PostLog::note_block(std::vector<Block>& changed, std::int64_t sequence, std::int64_t time,
                         std::int64_t now) {
  const std::int64_t number = block_of(sequence);
  if (changed.empty() || changed.back().number != number) {
    const auto last = blocks_.last();
    const bool grows = changed.empty() && last && last->number == number;
    changed.push_back(grows ? *last : Block{number, time, time, now});
  }
  Block& block = changed.back();
  block.time_min = std::min(block.time_min, time);
  block.time_max = std::max(block.time_max, time);
  block.stored_at = now;
}

Status PostLog::write_blocks(const std::vector<Block>& changed) {
  for (const Block& block : changed) {
    upsert_block_.bind(1, block.number);
    upsert_block_.bind(2, block.time_min);
    upsert_block_.bind(3, block.time_max);
    upsert_block_.bind(4, block.stored_at);
    TRY(upsert_block_.run());
  }
  return {};
}

Result<std::uint64_t> PostLog::remove_oldest(std::uint64_t count_max) {
  assert(count_max > 0);
  const std::int64_t from = first();
  if (from > last()) return std::uint64_t{0};
  const std::int64_t block_end = (block_of(from) + 1) * kBlockPosts;
  const std::int64_t end =
      std::min({from + static_cast<std::int64_t>(count_max), block_end, last() + 1});
  const bool block_is_gone = end == block_end || end == last() + 1;
  TRY_ASSIGN(Transaction transaction, Transaction::begin(db_, Transaction::Kind::kWrite));
  TRY_ASSIGN(Statement remove, db_.prepare("DELETE FROM posts WHERE sequence < ?1"));
  remove.bind(1, end);
  TRY(remove.run());
  if (block_is_gone) {
    TRY_ASSIGN(Statement forget, db_.prepare("DELETE FROM post_blocks WHERE block <= ?1"));
    forget.bind(1, block_of(from));
    TRY(forget.run());
  }
  TRY(set_meta(db_, "floor", end - 1));
  TRY(transaction.commit());
  floor_.store(end - 1, std::memory_order_release);
  if (block_is_gone) blocks_.drop_before(block_of(from) + 1);
  return static_cast<std::uint64_t>(end - from);
}

}  // namespace tidewatch
