// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "core/result.h"
#include "sources/table_reader.h"

namespace tidewatch {

// Cuts UTF-8 text, in pieces cut anywhere, into rows by RFC 4180: fields in quotes may hold
// separators, line breaks and doubled quotes. Lenient: a quote within an unquoted field is itself;
// text after a closing quote belongs to the field; lines end with \n, \r\n or \r.
// Threads: none. Bound: a row of kColumnsMax cells of kCellBytesMax.
class CsvParser {
 public:
  explicit CsvParser(char separator) : separator_(separator) {}

  // Appends the rows that are whole. kInvalidArgument names the line: a bound was passed, mostly
  // because a quote is never closed.
  Status feed(std::string_view text, std::deque<TableRow>& rows);
  // The end of the text: a last row without line end. A quote that is open is an error.
  Status finish(std::deque<TableRow>& rows);

 private:
  enum class State : std::uint8_t { kFieldStart, kPlain, kQuoted, kQuoteSeen };

  Status step(char c, std::deque<TableRow>& rows);
  Status end_cell();
  Status end_row(std::deque<TableRow>& rows);

  const char separator_;
  State state_ = State::kFieldStart;
  bool after_return_ = false;  // a "\n" now belongs to the line end before
  std::uint64_t line_ = 1;
  std::uint64_t quote_line_ = 0;
  TableRow row_{1, {}};
  std::string cell_;
};

// ',', ';' or a tab: what the first line has most of outside quotes.
char guess_separator(std::string_view text);

}  // namespace tidewatch
