// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/result.h"
#include "ingest/post.h"
#include "ingest/post_decoder.h"
#include "sources/table_reader.h"

namespace tidewatch {

// The members of a post that a column can give.
enum class PostField : std::uint8_t {
  kText,
  kId,
  kTime,
  kSource,
  kAuthor,
  kRegion,
  kRepostOf,
  kUrl,
  kLikes,
  kReposts
};
inline constexpr std::size_t kPostFields = 10;
std::string_view field_label(PostField field) noexcept;  // "text", "id", …

// Which column gives which member. Columns that give none are kept under their own names.
struct ColumnMap {
  std::array<std::optional<std::size_t>, kPostFields> columns;  // by PostField, from 0
  std::vector<std::string> names;                               // of all columns

  std::optional<std::size_t> column(PostField field) const {
    return columns[static_cast<std::size_t>(field)];
  }
  std::vector<std::size_t> others() const;  // columns that give no member
};

// Guesses by the header's names, Chinese and English; a table of one column is texts.
// `wanted` ("text=内容", "time=#3": by number from 1, "url=": none) stands over the guess.
// kInvalidArgument: a name that is wrong, or no column for the text; the message lists what there
// is.
Result<ColumnMap> map_columns(const std::vector<std::string>& header,
                              const std::vector<std::string>& wanted);

// What is wrong with a row, in words of its table.
struct RowFault {
  std::string column;  // empty: the row as a whole
  std::string reason;
};

// Makes posts of rows. A post without an id gets one of what is in its row and where that stands,
// so that a table that is imported again, or with more rows at its end, gives the same ids.
// Threads: none.
class RowReader {
 public:
  struct Options {
    std::string name;                         // the file's, without folder; part of the ids
    std::chrono::minutes utc_offset{8 * 60};  // of times that name none
    std::string source;                       // of posts without one
  };
  RowReader(ColumnMap map, Options options, const DecodeLimits& limits, EventTime arrival);

  std::variant<Post, RowFault> read(const TableRow& row) const;
  const ColumnMap& map() const { return map_; }

 private:
  std::optional<RowFault> fill(const TableRow& row, Post& post) const;
  std::string extra(const TableRow& row) const;

  const ColumnMap map_;
  const std::vector<std::size_t> others_;
  const Options options_;
  const DecodeLimits limits_;
  const EventTime arrival_;
};

}  // namespace tidewatch
