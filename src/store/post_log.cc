// SPDX-License-Identifier: Apache-2.0
#include "store/post_log.h"

#include <algorithm>
#include <cassert>

#include "store/post_rows.h"
#include "store/schema.h"

namespace tidewatch {
namespace {

constexpr std::string_view kFindId = "SELECT sequence FROM posts WHERE id_key=?1 AND id=?2";
constexpr std::size_t kOldFilesOpenMax = 8;

}  // namespace

Result<std::shared_ptr<PostFile>> PostFile::open(const std::filesystem::path& dir,
                                                 std::int64_t number, std::int64_t store_id,
                                                 const std::string& vfs) {
  auto file = std::make_shared<PostFile>();
  file->number = number;
  TRY_ASSIGN(file->db, open_partition_posts(dir, number, store_id, vfs));
  sqlite3_wal_hook(
      file->db->handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<PostFile*>(self)->wal_pages.store(pages, std::memory_order_relaxed);
        return SQLITE_OK;
      },
      file.get());
  TRY_ASSIGN(file->find_id, file->db->prepare(kFindId));
  TRY_ASSIGN(file->insert, file->db->prepare(kInsertPost));
  TRY_ASSIGN(file->upsert_block,
             file->db->prepare("INSERT OR REPLACE INTO post_blocks VALUES(?1,?2,?3,?4)"));
  TRY_ASSIGN(file->checkpoint_db,
             Database::open(partition_posts_path(dir, number), Database::Mode::kReadWrite, vfs));
  TRY(file->checkpoint_db->exec("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0"));
  return file;
}

Result<OldIds::File*> OldIds::file(std::int64_t number) {
  const auto known = std::find_if(files_.begin(), files_.end(),
                                  [&](const auto& one) { return one->number == number; });
  if (known != files_.end()) {
    std::rotate(known, known + 1, files_.end());
    return files_.back().get();
  }
  auto opened = std::make_unique<File>();
  opened->number = number;
  TRY_ASSIGN(opened->db,
             Database::open(partition_posts_path(dir_, number), Database::Mode::kReadOnly, vfs_));
  TRY(opened->db->exec("PRAGMA cache_size=-1024"));
  TRY_ASSIGN(opened->find_id, opened->db->prepare(kFindId));
  if (files_.size() >= kOldFilesOpenMax) files_.erase(files_.begin());
  files_.push_back(std::move(opened));
  return files_.back().get();
}

Result<std::optional<std::int64_t>> OldIds::find(const PartitionMap::List& partitions,
                                                 std::int64_t key, std::string_view id) {
  for (auto partition = partitions.rbegin(); partition != partitions.rend(); ++partition) {
    if (partition->is_open()) continue;
    if (partition->ids != nullptr && !partition->ids->may_hold(key)) continue;
    TRY_ASSIGN(File* const old, file(partition->number));
    old->find_id.bind(1, key);
    old->find_id.bind(2, id);
    TRY_ASSIGN(const auto sequence, old->find_id.number());
    if (sequence) return sequence;
  }
  return std::optional<std::int64_t>{};
}

void OldIds::forget(std::int64_t number) {
  std::erase_if(files_, [&](const auto& one) { return one->number == number; });
}

Status PostLog::load(std::shared_ptr<PostFile> file, std::int64_t floor) {
  file_ = std::move(file);
  const auto partition = partitions_.find(file_->number);
  assert(partition && partition->is_open());
  open_first_ = partition->first;
  TRY_ASSIGN(const auto last, file_->db->number("SELECT max(sequence) FROM posts"));
  floor_ = floor;
  last_ = last.value_or(open_first_ - 1);
  return {};
}

std::shared_ptr<PostFile> PostLog::go_on_in(std::shared_ptr<PostFile> file,
                                            const Partition& partition) {
  assert(partition.first == last() + 1);
  file_.swap(file);
  open_first_ = partition.first;
  return file;
}

void PostLog::removed(const Partition& partition) {
  old_ids_.forget(partition.number);
  floor_.store(partition.last, std::memory_order_release);
  blocks_.drop_before(block_of(partition.last + 1));
}

Result<std::vector<Store::Appended>> PostLog::append(std::span<ScoredPost* const> posts,
                                                     const LabelSet& label_set, EventTime now) {
  const auto partitions = partitions_.list();
  std::vector<Store::Appended> appended;
  appended.reserve(posts.size());
  std::vector<Block> changed;
  std::int64_t sequence = last();
  TRY_ASSIGN(Transaction transaction, Transaction::begin(*file_->db, Transaction::Kind::kWrite));
  for (ScoredPost* const post : posts) {
    TRY_ASSIGN(const Store::Appended one, append_one(*post, label_set, *partitions, sequence));
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
                                            const PartitionMap::List& partitions,
                                            std::int64_t& sequence) {
  if (post.post.id.empty()) return Error{Code::kInvalidArgument, "a post without an id"};
  const std::int64_t key = id_key(post.post.id);
  file_->find_id.bind(1, key);
  file_->find_id.bind(2, std::string_view{post.post.id});
  TRY_ASSIGN(auto known, file_->find_id.number());
  if (!known) {
    TRY_ASSIGN(known, old_ids_.find(partitions, key, post.post.id));
  }
  if (known) return Store::Appended{{static_cast<std::uint64_t>(*known)}, false};
  bind_post_row(file_->insert, sequence + 1, post, labels, key, scratch_);
  TRY(file_->insert.run());
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
    file_->upsert_block.bind(1, block.number);
    file_->upsert_block.bind(2, block.time_min);
    file_->upsert_block.bind(3, block.time_max);
    file_->upsert_block.bind(4, block.stored_at);
    TRY(file_->upsert_block.run());
  }
  return {};
}

}  // namespace tidewatch
