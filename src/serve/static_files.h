// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace tidewatch {

// One file of the dashboard as it lies in the binary. Everything points to constant data.
struct StaticFile {
  std::string_view path;  // "/assets/index-1a2b3c4d.js"
  std::string_view bytes;
  std::string_view gzip;  // the same, compressed; empty where that would not be smaller
  std::string_view content_type;
  std::string_view etag;  // with its quotes
};

// The files that GET serves outside of the API, ordered by path (bytewise). Cheap to copy; the
// table must outlive every copy. Empty: the dashboard is not built in.
class StaticFiles {
 public:
  StaticFiles() = default;
  explicit StaticFiles(std::span<const StaticFile> ordered) : files_(ordered) {}

  // Nothing when there is no such file.
  const StaticFile* find(std::string_view path) const noexcept;
  bool empty() const noexcept { return files_.empty(); }
  std::span<const StaticFile> all() const noexcept { return files_; }

 private:
  std::span<const StaticFile> files_;
};

// What was built from web/ into this binary; empty with TIDEWATCH_DASHBOARD=OFF.
StaticFiles dashboard_files();

}  // namespace tidewatch
