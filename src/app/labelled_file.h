// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/result.h"

namespace tidewatch {

// Reading `label<TAB>text` files, for `evaluate` and whatever else needs texts with their truth.
//
// A file is UTF-8 (a byte-order mark is skipped; each ill-formed part reads as U+FFFD, as in the
// engine), plain, .gz or .zst, "-" for standard input. Only "\n" ends a row; a "\r" before it is
// taken off. The first line is a header. Tabs after the first belong to the text.
// Errors are kInvalidArgument and name file, line and remedy; nothing is dropped without a count.
// Threads: none (plain values and functions).

// The labels of one task, in the order of a model's outputs; at most 255.
struct TaskLabels {
  std::string task;  // "emotion" or "topic", for messages
  std::vector<std::string> names;

  std::optional<std::uint8_t> find(std::string_view name) const;
};

// Foreign labels and the model's labels they stand for: `foreign<TAB>ours`, one a line.
class LabelMap {
 public:
  // The first line is a header, and says nothing, when its second column is no label of the task.
  // Errors: a line without exactly two filled columns, a label that the task lacks, a foreign label
  // given two meanings, no line at all.
  static Result<LabelMap> read(const std::string& path, const TaskLabels& labels);

  std::optional<std::uint8_t> find(std::string_view foreign) const;
  // The first column of the line taken as header: should it turn up as a label, then the line was
  // a mapping with a mistake in it. Empty: there was no header.
  const std::string& header_label() const { return header_label_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::string header_label_;
  std::unordered_map<std::string, std::uint8_t> ours_;
};

struct LabelledText {
  std::uint64_t line = 0;  // from 1; the header is line 1
  std::uint8_t label = 0;  // index into TaskLabels::names
  std::string text;        // valid UTF-8; may be empty
};

struct LabelledFile {
  std::string name;                 // as messages name it
  std::vector<LabelledText> texts;  // in file order; at least one
  std::uint64_t blank = 0;          // lines with nothing in them
  std::uint64_t unmapped = 0;       // rows whose label the map does not have
  // The same by label, for people; at most kUnmappedNamesMax labels, the rest only in `unmapped`.
  std::map<std::string, std::uint64_t> unmapped_labels;
};

inline constexpr std::size_t kUnmappedNamesMax = 1'000;

struct LabelledFileOptions {
  const LabelMap* map = nullptr;  // borrowed; null: labels must be the task's own
  std::string column;  // header name of the text's column; empty: all after the first tab
  std::size_t bytes_max = std::size_t{1} << 30;  // decompressed; more is an error
};

// Reads a whole file. Besides the errors above: those of open_file_source, kResourceExhausted
// beyond bytes_max; a first line that is no header but data, a row without a tab, without a label
// or without the column, a label that is not the task's (without a map), no row left.
Result<LabelledFile> read_labelled_file(const std::string& path, const TaskLabels& labels,
                                        const LabelledFileOptions& options);

// A cell as a message shows it: in quotes, not endless, and without bytes that steer a terminal.
std::string quoted_cell(std::string_view cell);

}  // namespace tidewatch
