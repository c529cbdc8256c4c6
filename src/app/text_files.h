// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

// Calls `visit` with every text of a file, plain, .gz or .zst, "-" for standard input. By name:
// .ndjson, .jsonl and .json hold posts, .tsv a header and the texts in the column `text` or
// `title` (without one: all after the first tab), anything else a text a line; standard input
// holds posts when it begins with "{". Lines that are no post, too long or without the column are
// counted in `skipped`. Errors: those of open_file_source.
Status read_text_file(const std::string& path, std::size_t line_bytes_max,
                      const std::function<void(std::string_view)>& visit, std::uint64_t& skipped);

}  // namespace tidewatch
