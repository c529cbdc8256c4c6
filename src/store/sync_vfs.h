// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/mutex.h"

namespace tidewatch {

// Watches file operations under test, and may make them fail. `file` is a name without folder.
// Threads: called from every thread that reads or writes the store, at once.
class FileHooks {
 public:
  virtual ~FileHooks() = default;
  // Also asked before a log is given its size with zeros, which goes past SQLite.
  // A return other than 0 (SQLITE_FULL, SQLITE_IOERR_FSYNC, …) makes the operation fail so.
  virtual int before_write(const std::string& file, std::int64_t offset, int size);
  virtual int before_sync(const std::string& file);
  virtual void after_write(const std::string& file, std::int64_t offset, int size);
  virtual void after_sync(const std::string& file);
};

// SQLite's default file layer, with the syncs of each file counted, and with what is written in
// large amounts sent to the disk as it comes, so that it does not hold up the syncs of commits.
// Ownership: outlives every connection opened with name(); `hooks` (may be null) outlives it.
// Threads: every member may be called concurrently.
class SyncVfs {
 public:
  explicit SyncVfs(FileHooks* hooks);
  ~SyncVfs();
  SyncVfs(const SyncVfs&) = delete;
  SyncVfs& operator=(const SyncVfs&) = delete;

  const std::string& name() const { return name_; }
  // Successful syncs of a file since construction, by its name.
  std::uint64_t syncs(const std::string& file) const;
  std::map<std::string, std::uint64_t> syncs() const;

 private:
  struct Methods;
  friend struct Methods;
  struct Counter {
    std::string file;
    std::atomic<std::uint64_t> syncs{0};
  };
  struct File;
  Counter& counter(const char* path);

  FileHooks* const hooks_;
  std::string name_;
  sqlite3_vfs* real_;
  sqlite3_vfs vfs_{};
  mutable Mutex mu_;
  // Entries are never removed: four for each partition ever opened, less than 1 KiB.
  std::map<std::string, std::unique_ptr<Counter>> counters_ GUARDED_BY(mu_);
};

}  // namespace tidewatch
