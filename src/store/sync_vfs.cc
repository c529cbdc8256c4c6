// SPDX-License-Identifier: Apache-2.0
#include "store/sync_vfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <new>

#include "store/sqlite.h"

namespace tidewatch {

namespace {
constexpr sqlite3_int64 kSendBytes = 256 << 10;
}  // namespace

int FileHooks::before_write(const std::string& /*file*/, std::int64_t /*offset*/, int /*size*/) {
  return SQLITE_OK;
}
int FileHooks::before_sync(const std::string& /*file*/) { return SQLITE_OK; }
void FileHooks::after_write(const std::string& /*file*/, std::int64_t /*offset*/, int /*size*/) {}
void FileHooks::after_sync(const std::string& /*file*/) {}

// What SQLite holds for an open file; the real file lies directly behind it.
struct SyncVfs::File {
  sqlite3_file base;
  SyncVfs* owner;
  Counter* counter;
  const char* path;  // of a database or its log, as long as the file is open; else null
  int flush_fd;      // to send what is written to the disk early; -1: not needed so far
  // Of a database or its log: what was written and not yet sent to the disk.
  sqlite3_int64 unsent_begin;
  sqlite3_int64 unsent_end;
  sqlite3_int64 unsent_bytes;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

struct SyncVfs::Methods {
  static File* file(sqlite3_file* f) { return reinterpret_cast<File*>(f); }
  static sqlite3_file* real(sqlite3_file* f) { return file(f)->real(); }
  static const sqlite3_io_methods& io(sqlite3_file* f) { return *real(f)->pMethods; }
  static sqlite3_vfs* real_vfs(sqlite3_vfs* v) { return static_cast<SyncVfs*>(v->pAppData)->real_; }

  // Counted or watched operations.
  static int write(sqlite3_file* f, const void* bytes, int size, sqlite3_int64 offset) {
    FileHooks* hooks = file(f)->owner->hooks_;
    const std::string& name = file(f)->counter->file;
    if (hooks != nullptr) {
      if (const int code = hooks->before_write(name, offset, size); code != SQLITE_OK) return code;
    }
    const int code = io(f).xWrite(real(f), bytes, size, offset);
    if (code == SQLITE_OK) send_on(*file(f), offset, size);
    if (hooks != nullptr && code == SQLITE_OK) hooks->after_write(name, offset, size);
    return code;
  }
  // A checkpoint writes thousands of pages into a database file and syncs once; the index writes
  // megabytes into its log and does not sync at all. The file system's journal makes whoever
  // commits meanwhile wait until all of that is on the disk (a tenth of a second and more), so it
  // is sent on as it comes, and the thread that writes much waits, not the one that commits.
  static void send_on(File& f, sqlite3_int64 offset, int size) {
    if (f.path == nullptr) return;
    if (f.unsent_bytes == 0) f.unsent_begin = f.unsent_end = offset;
    f.unsent_begin = std::min(f.unsent_begin, offset);
    f.unsent_end = std::max(f.unsent_end, offset + size);
    f.unsent_bytes += size;
    if (f.unsent_bytes < kSendBytes) return;
    // Opened by those alone that write much. (Closing it lets go of this process's POSIX locks on
    // the file: those of readers, which keep nobody out who opens it to read.)
    if (f.flush_fd < 0) f.flush_fd = ::open(f.path, O_RDONLY | O_CLOEXEC);
    // A hint: its failure only makes the sync at the end longer.
    static_cast<void>(::sync_file_range(
        f.flush_fd, f.unsent_begin, f.unsent_end - f.unsent_begin,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
    f.unsent_bytes = 0;
  }
  static int sync(sqlite3_file* f, int flags) {
    FileHooks* hooks = file(f)->owner->hooks_;
    Counter& counter = *file(f)->counter;
    if (hooks != nullptr) {
      if (const int code = hooks->before_sync(counter.file); code != SQLITE_OK) return code;
    }
    const int code = io(f).xSync(real(f), flags);
    if (code != SQLITE_OK) return code;
    file(f)->unsent_bytes = 0;
    counter.syncs.fetch_add(1, std::memory_order_relaxed);
    if (hooks != nullptr) hooks->after_sync(counter.file);
    return code;
  }
  static int open(sqlite3_vfs* v, sqlite3_filename path, sqlite3_file* f, int flags, int* out) {
    auto* owner = static_cast<SyncVfs*>(v->pAppData);
    File* opened = new (f) File{{}, owner, &owner->counter(path), nullptr, -1, 0, 0, 0};
    opened->real()->pMethods = nullptr;
    const int code = owner->real_->xOpen(owner->real_, path, opened->real(), flags, out);
    if (opened->real()->pMethods != nullptr) opened->base.pMethods = &io_table;
    if (code == SQLITE_OK && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0) {
      opened->path = path;
    }
    return code;
  }

  // Everything else is passed on.
  static int close(sqlite3_file* f) {
    const int code = io(f).xClose(real(f));
    if (file(f)->flush_fd >= 0) ::close(file(f)->flush_fd);
    return code;
  }
  static int read(sqlite3_file* f, void* to, int size, sqlite3_int64 offset) {
    return io(f).xRead(real(f), to, size, offset);
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    return io(f).xTruncate(real(f), size);
  }
  static int file_size(sqlite3_file* f, sqlite3_int64* size) {
    return io(f).xFileSize(real(f), size);
  }
  static int lock(sqlite3_file* f, int level) { return io(f).xLock(real(f), level); }
  static int unlock(sqlite3_file* f, int level) { return io(f).xUnlock(real(f), level); }
  static int check_reserved(sqlite3_file* f, int* out) {
    return io(f).xCheckReservedLock(real(f), out);
  }
  static int file_control(sqlite3_file* f, int op, void* arg) {
    return io(f).xFileControl(real(f), op, arg);
  }
  static int sector_size(sqlite3_file* f) { return io(f).xSectorSize(real(f)); }
  static int characteristics(sqlite3_file* f) { return io(f).xDeviceCharacteristics(real(f)); }
  static int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
    return io(f).xShmMap(real(f), page, size, extend, out);
  }
  static int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
    return io(f).xShmLock(real(f), offset, n, flags);
  }
  static void shm_barrier(sqlite3_file* f) { io(f).xShmBarrier(real(f)); }
  static int shm_unmap(sqlite3_file* f, int drop) { return io(f).xShmUnmap(real(f), drop); }
  static int fetch(sqlite3_file* f, sqlite3_int64 offset, int size, void** out) {
    return io(f).xFetch(real(f), offset, size, out);
  }
  static int unfetch(sqlite3_file* f, sqlite3_int64 offset, void* page) {
    return io(f).xUnfetch(real(f), offset, page);
  }
  static int remove(sqlite3_vfs* v, const char* path, int sync_dir) {
    return real_vfs(v)->xDelete(real_vfs(v), path, sync_dir);
  }
  static int access(sqlite3_vfs* v, const char* path, int flags, int* out) {
    return real_vfs(v)->xAccess(real_vfs(v), path, flags, out);
  }
  static int full_path(sqlite3_vfs* v, const char* path, int size, char* out) {
    return real_vfs(v)->xFullPathname(real_vfs(v), path, size, out);
  }
  static int randomness(sqlite3_vfs* v, int size, char* out) {
    return real_vfs(v)->xRandomness(real_vfs(v), size, out);
  }
  static int sleep(sqlite3_vfs* v, int microseconds) {
    return real_vfs(v)->xSleep(real_vfs(v), microseconds);
  }
  static int current_time(sqlite3_vfs* v, double* out) {
    return real_vfs(v)->xCurrentTime(real_vfs(v), out);
  }
  static int last_error(sqlite3_vfs* v, int size, char* out) {
    return real_vfs(v)->xGetLastError(real_vfs(v), size, out);
  }
  static int current_time_ms(sqlite3_vfs* v, sqlite3_int64* out) {
    return real_vfs(v)->xCurrentTimeInt64(real_vfs(v), out);
  }

  static const sqlite3_io_methods io_table;
};

const sqlite3_io_methods SyncVfs::Methods::io_table = {3,
                                                       close,
                                                       read,
                                                       write,
                                                       truncate,
                                                       sync,
                                                       file_size,
                                                       lock,
                                                       unlock,
                                                       check_reserved,
                                                       file_control,
                                                       sector_size,
                                                       characteristics,
                                                       shm_map,
                                                       shm_lock,
                                                       shm_barrier,
                                                       shm_unmap,
                                                       fetch,
                                                       unfetch};

SyncVfs::SyncVfs(FileHooks* hooks) : hooks_(hooks) {
  set_up_sqlite();
  real_ = sqlite3_vfs_find(nullptr);
  static std::atomic<std::uint64_t> next{1};
  name_ = "tidewatch-" + std::to_string(next.fetch_add(1));
  vfs_.iVersion = 2;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_.mxPathname = real_->mxPathname;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = Methods::open;
  vfs_.xDelete = Methods::remove;
  vfs_.xAccess = Methods::access;
  vfs_.xFullPathname = Methods::full_path;
  vfs_.xRandomness = Methods::randomness;
  vfs_.xSleep = Methods::sleep;
  vfs_.xCurrentTime = Methods::current_time;
  vfs_.xGetLastError = Methods::last_error;
  vfs_.xCurrentTimeInt64 = Methods::current_time_ms;
  sqlite3_vfs_register(&vfs_, 0);
}

SyncVfs::~SyncVfs() { sqlite3_vfs_unregister(&vfs_); }

SyncVfs::Counter& SyncVfs::counter(const char* path) {
  // SQLite's own temporary files have no name.
  const std::string file =
      path == nullptr ? std::string{"temporary"} : std::filesystem::path(path).filename().string();
  const MutexLock lock(mu_);
  std::unique_ptr<Counter>& entry = counters_[file];
  if (entry == nullptr) {
    entry = std::make_unique<Counter>();
    entry->file = file;
  }
  return *entry;
}

std::uint64_t SyncVfs::syncs(const std::string& file) const {
  const MutexLock lock(mu_);
  const auto found = counters_.find(file);
  return found == counters_.end() ? 0 : found->second->syncs.load(std::memory_order_relaxed);
}

std::map<std::string, std::uint64_t> SyncVfs::syncs() const {
  std::map<std::string, std::uint64_t> all;
  const MutexLock lock(mu_);
  for (const auto& [file, counter] : counters_) {
    all[file] = counter->syncs.load(std::memory_order_relaxed);
  }
  return all;
}

}  // namespace tidewatch
