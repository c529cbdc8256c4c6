// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "sources/text_encoding.h"

namespace tidewatch {

// Bounds of a table; what passes one is an error that names the line.
inline constexpr std::size_t kColumnsMax = 1'000;
inline constexpr std::size_t kCellBytesMax = 1 << 20;

struct TableCell {
  std::string text;  // UTF-8; a number of a sheet as it is written there
  // A date of a sheet: days since 1899-12-30, local time.
  std::optional<double> serial;
};

struct TableRow {
  std::uint64_t line = 0;  // from 1: where it begins in the file, the row's number in a sheet
  std::vector<TableCell> cells;
};

// A table, row by row. Rows of nothing but empty cells are left out. Threads: none.
class TableReader {
 public:
  virtual ~TableReader() = default;
  // Nothing at the end. An error is final: kInvalidArgument (no such table; the message says where
  // and what to do), kUnavailable (the file cannot be read).
  virtual Result<std::optional<TableRow>> next() = 0;
  virtual std::string describe() const = 0;  // "CSV, utf-8, separated by ','"
  virtual std::uint64_t bytes_read() const = 0;
  virtual std::uint64_t bytes_total() const = 0;
};

// Opens by content: a ZIP archive is a workbook (.xlsx), anything else CSV. `encoding` is of CSV;
// nothing: guessed. kInvalidArgument also for an old .xls.
Result<std::unique_ptr<TableReader>> open_table(const std::string& path,
                                                std::optional<TextEncoding> encoding);

Result<std::unique_ptr<TableReader>> open_csv(const std::string& path,
                                              std::optional<TextEncoding> encoding);
// Its shared strings are held in memory, at most so many bytes of them (with what each one takes
// beside its text).
inline constexpr std::size_t kSharedStringsBytesMax = 512 << 20;
Result<std::unique_ptr<TableReader>> open_xlsx(
    const std::string& path, std::size_t strings_bytes_max = kSharedStringsBytesMax);

}  // namespace tidewatch
