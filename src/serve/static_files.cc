// SPDX-License-Identifier: Apache-2.0
#include "serve/static_files.h"

#include <algorithm>

namespace tidewatch {

const StaticFile* StaticFiles::find(std::string_view path) const noexcept {
  const auto at = std::lower_bound(
      files_.begin(), files_.end(), path,
      [](const StaticFile& file, std::string_view wanted) { return file.path < wanted; });
  return at != files_.end() && at->path == path ? &*at : nullptr;
}

}  // namespace tidewatch
