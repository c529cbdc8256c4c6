// SPDX-License-Identifier: Apache-2.0
#include "sources/csv_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tidewatch {

Status CsvParser::feed(std::string_view text, std::deque<TableRow>& rows) {
  for (const char c : text) TRY(step(c, rows));
  return {};
}

Status CsvParser::step(char c, std::deque<TableRow>& rows) {
  const bool second_half = after_return_ && c == '\n';
  after_return_ = c == '\r';
  if (state_ == State::kQuoted) {
    if (c == '"') {
      state_ = State::kQuoteSeen;
      return {};
    }
    if ((c == '\n' && !second_half) || c == '\r') ++line_;
    cell_ += c;
    if (cell_.size() <= kCellBytesMax) return {};
    return Error{Code::kInvalidArgument,
                 fmt::format("line {}: a field of more than {} bytes; the quote that begins there "
                             "is probably never closed",
                             quote_line_, kCellBytesMax)};
  }
  if (second_half) return {};
  if (c == '"' && state_ == State::kFieldStart) {
    state_ = State::kQuoted;
    quote_line_ = line_;
    return {};
  }
  if (c == '"' && state_ == State::kQuoteSeen) {
    cell_ += '"';
    state_ = State::kQuoted;
    return {};
  }
  if (c == separator_) return end_cell();
  if (c == '\n' || c == '\r') return end_row(rows);
  cell_ += c;
  state_ = State::kPlain;
  if (cell_.size() <= kCellBytesMax) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("line {}: a field of more than {} bytes", line_, kCellBytesMax)};
}

Status CsvParser::end_cell() {
  row_.cells.push_back({std::exchange(cell_, {}), std::nullopt});
  state_ = State::kFieldStart;
  if (row_.cells.size() <= kColumnsMax) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("line {}: more than {} columns", row_.line, kColumnsMax)};
}

Status CsvParser::end_row(std::deque<TableRow>& rows) {
  TRY(end_cell());
  ++line_;
  TableRow row = std::exchange(row_, TableRow{line_, {}});
  const bool empty = std::all_of(row.cells.begin(), row.cells.end(),
                                 [](const TableCell& cell) { return cell.text.empty(); });
  if (!empty) rows.push_back(std::move(row));
  return {};
}

Status CsvParser::finish(std::deque<TableRow>& rows) {
  if (state_ == State::kQuoted) {
    return Error{Code::kInvalidArgument,
                 fmt::format("line {}: the quote that begins there is never closed", quote_line_)};
  }
  if (cell_.empty() && row_.cells.empty()) return {};
  return end_row(rows);
}

char guess_separator(std::string_view text) {
  constexpr std::array<char, 3> kSeparators{',', ';', '\t'};
  std::array<std::size_t, 3> counts{};
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\n' || c == '\r') break;
    const auto at = std::find(kSeparators.begin(), kSeparators.end(), c);
    if (at != kSeparators.end()) ++counts[static_cast<std::size_t>(at - kSeparators.begin())];
  }
  const auto most = std::max_element(counts.begin(), counts.end());
  return kSeparators[static_cast<std::size_t>(most - counts.begin())];
}

}  // namespace tidewatch
