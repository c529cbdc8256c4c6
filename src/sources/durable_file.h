// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

// Puts `text` in the file's place such that after a crash it holds the old or the new one whole:
// written beside it, synced, renamed, the folder synced. Makes the folder when it is missing.
// kUnavailable: the message names the file.
Status write_durably(const std::filesystem::path& file, std::string_view text);

// The whole file; empty when there is none. kUnavailable: it cannot be read, or is over 16 MiB.
Result<std::string> read_whole(const std::filesystem::path& file);

// Messages that are no posts, kept for people: one JSON object a line with time, place, reason and
// value (base64 in value_base64 when it is not UTF-8). Past 16 MiB the file becomes FILE.1, and
// what was there is dropped. Threads: none.
class RejectFile {
 public:
  explicit RejectFile(std::filesystem::path file) : file_(std::move(file)) {}
  ~RejectFile();
  RejectFile(const RejectFile&) = delete;
  RejectFile& operator=(const RejectFile&) = delete;

  Status append(std::string_view time, std::string_view place, std::string_view reason,
                std::string_view value);
  // Brings what was appended to the disk; cheap when there is nothing.
  Status sync();

 private:
  Status open();

  const std::filesystem::path file_;
  int fd_ = -1;
  std::size_t bytes_ = 0;
  bool dirty_ = false;
};

}  // namespace tidewatch
