// SPDX-License-Identifier: Apache-2.0
#include "app/labelled_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "ingest/file_source.h"
#include "ingest/utf8.h"

namespace tidewatch {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";
constexpr std::size_t kQuotedBytesMax = 60;
constexpr std::size_t kMapBytesMax = std::size_t{1} << 20;

Error invalid(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

std::string repaired(std::string_view bytes) {
  std::string text;
  if (is_utf8(bytes)) {
    text = bytes;
  } else {
    append_replacing(bytes, text);
  }
  return text;
}

struct NamedText {
  std::string name;
  std::string bytes;
};

Result<NamedText> read_whole(const std::string& path, std::size_t bytes_max) {
  TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open_file_source(path));
  NamedText whole{std::string{source->name()}, {}};
  while (true) {
    TRY_ASSIGN(const std::string_view chunk, source->read());
    if (chunk.empty()) break;
    if (whole.bytes.size() + chunk.size() > bytes_max) {
      return Error{Code::kResourceExhausted,
                   fmt::format("{}: holds more than {} bytes; split it", whole.name, bytes_max)};
    }
    whole.bytes += chunk;
  }
  return whole;
}

// Lines of a text held in memory; only "\n" ends one.
class Lines {
 public:
  explicit Lines(std::string_view bytes) : rest_(bytes) {
    if (rest_.starts_with(kMark)) rest_.remove_prefix(kMark.size());
  }
  // False at the end; a final line break does not make a line.
  bool next() {
    if (rest_.empty()) return false;
    const std::size_t end = rest_.find('\n');
    text_ = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (text_.ends_with('\r')) text_.remove_suffix(1);
    ++number_;
    return true;
  }
  std::uint64_t number() const { return number_; }
  std::string_view text() const { return text_; }

 private:
  std::string_view rest_;
  std::string_view text_;
  std::uint64_t number_ = 0;
};

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const std::size_t tab = line.find('\t');
    cells.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return cells;
    line.remove_prefix(tab + 1);
  }
}

// Finds the text within a row.
class TextColumn {
 public:
  static Result<TextColumn> find(std::string_view header, const std::string& column,
                                 const std::string& place) {
    TextColumn found;
    if (column.empty()) return found;
    const std::vector<std::string_view> names = cells_of(header);
    const auto it = std::find(names.begin() + 1, names.end(), column);
    if (it == names.end()) {
      constexpr std::ptrdiff_t kNamesShown = 20;
      std::vector<std::string> shown;
      for (auto name = names.begin() + 1;
           name != names.end() && name - names.begin() <= kNamesShown; ++name) {
        shown.push_back(quoted_cell(*name));
      }
      return invalid(
          fmt::format("{}: the header names no text column {}; after the label's it has {}: {}",
                      place, quoted_cell(column), names.size() - 1, fmt::join(shown, ", ")));
    }
    found.index_ = static_cast<std::size_t>(it - names.begin());
    found.last_ = it + 1 == names.end();
    return found;
  }

  // `rest` is the row after its label and a tab. Nothing: the row is too short.
  std::optional<std::string_view> in(std::string_view rest) const {
    for (std::size_t column = 1; column < index_; ++column) {
      const std::size_t tab = rest.find('\t');
      if (tab == std::string_view::npos) return std::nullopt;
      rest.remove_prefix(tab + 1);
    }
    return last_ ? rest : rest.substr(0, rest.find('\t'));
  }

 private:
  std::size_t index_ = 1;
  bool last_ = true;  // what follows further tabs belongs to it
};

class FileReader {
 public:
  FileReader(const TaskLabels& labels, const LabelledFileOptions& options)
      : labels_(labels), options_(options) {}

  Result<LabelledFile> read(const NamedText& whole) {
    file_.name = whole.name;
    Lines lines(whole.bytes);
    if (!lines.next()) {
      return invalid(
          fmt::format("{}: is empty; a header such as label<TAB>text and rows below it "
                      "are wanted",
                      file_.name));
    }
    TRY(header(lines.text()));
    while (lines.next()) TRY(row(lines.number(), lines.text()));
    if (file_.texts.empty()) {
      return invalid(fmt::format("{}: no row is left to evaluate ({} unmapped, {} blank){}",
                                 file_.name, file_.unmapped, file_.blank,
                                 file_.unmapped > 0 ? unmapped_hint() : ""));
    }
    return std::move(file_);
  }

 private:
  std::optional<std::uint8_t> label_of(std::string_view label) const {
    return options_.map == nullptr ? labels_.find(label) : options_.map->find(label);
  }
  std::string place(std::uint64_t line) const { return fmt::format("{}:{}", file_.name, line); }

  std::string unmapped_hint() const {
    return fmt::format("; {} maps none of its labels, such as {}", options_.map->name(),
                       quoted_cell(file_.unmapped_labels.begin()->first));
  }

  Status header(std::string_view line) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) {
      return invalid(
          fmt::format("{}: the first line must be a header of at least two columns, "
                      "such as label<TAB>text; it has no tab",
                      place(1)));
    }
    const std::string first = repaired(line.substr(0, tab));
    if (label_of(first) || labels_.find(first)) {
      return invalid(
          fmt::format("{}: {} is a label, so this is a row; put a header such as "
                      "label<TAB>text above it",
                      place(1), quoted_cell(first)));
    }
    TRY_ASSIGN(column_, TextColumn::find(line, options_.column, place(1)));
    return {};
  }

  Status row(std::uint64_t number, std::string_view line) {
    if (line.empty()) {
      ++file_.blank;
      return {};
    }
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) {
      return invalid(fmt::format("{}: no tab in {}; a row is label<TAB>text", place(number),
                                 quoted_cell(line)));
    }
    if (tab == 0) {
      return invalid(
          fmt::format("{}: the label is empty; give the row one, or take it out", place(number)));
    }
    const std::string label = repaired(line.substr(0, tab));
    const std::optional<std::string_view> text = column_.in(line.substr(tab + 1));
    if (!text) {
      return invalid(
          fmt::format("{}: the row ends before the column {}; give it as many columns "
                      "as the header",
                      place(number), quoted_cell(options_.column)));
    }
    if (const auto index = label_of(label)) {
      file_.texts.push_back({number, *index, repaired(*text)});
      return {};
    }
    return options_.map == nullptr ? unknown_label(number, label) : unmapped(number, label);
  }

  Status unknown_label(std::uint64_t number, const std::string& label) const {
    return invalid(fmt::format(
        "{}: {} is not one of the model's {} labels ({}); map foreign labels "
        "with --map FILE (foreign<TAB>ours)",
        place(number), quoted_cell(label), labels_.task, fmt::join(labels_.names, ", ")));
  }

  Status unmapped(std::uint64_t number, const std::string& label) {
    if (label == options_.map->header_label()) {
      return invalid(fmt::format(
          "{}:1: was taken for a header, as its second column is no {} label ({}), yet {} is the "
          "label in {}; correct the line, or put a header above it",
          options_.map->name(), labels_.task, fmt::join(labels_.names, ", "), quoted_cell(label),
          place(number)));
    }
    ++file_.unmapped;
    const auto it = file_.unmapped_labels.find(label);
    if (it != file_.unmapped_labels.end()) {
      ++it->second;
    } else if (file_.unmapped_labels.size() < kUnmappedNamesMax) {
      file_.unmapped_labels.emplace(label, 1);
    }
    return {};
  }

  const TaskLabels& labels_;
  const LabelledFileOptions& options_;
  TextColumn column_;
  LabelledFile file_;
};

}  // namespace

std::string quoted_cell(std::string_view cell) {
  std::string text = repaired(cell.substr(0, kQuotedBytesMax));
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return fmt::format("'{}{}'", text, cell.size() > kQuotedBytesMax ? "…" : "");
}

std::optional<std::uint8_t> TaskLabels::find(std::string_view name) const {
  const auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) return std::nullopt;
  return static_cast<std::uint8_t>(it - names.begin());
}

std::optional<std::uint8_t> LabelMap::find(std::string_view foreign) const {
  const auto it = ours_.find(std::string{foreign});
  if (it == ours_.end()) return std::nullopt;
  return it->second;
}

Result<LabelMap> LabelMap::read(const std::string& path, const TaskLabels& labels) {
  TRY_ASSIGN(const NamedText whole, read_whole(path, kMapBytesMax));
  LabelMap map;
  map.name_ = whole.name;
  for (Lines lines(whole.bytes); lines.next();) {
    if (lines.text().empty()) continue;
    const std::string place = fmt::format("{}:{}", map.name_, lines.number());
    const std::vector<std::string_view> cells = cells_of(lines.text());
    if (cells.size() != 2 || cells[0].empty() || cells[1].empty()) {
      return invalid(
          fmt::format("{}: {} is not foreign<TAB>ours; to leave out the rows of a "
                      "label, leave out its line",
                      place, quoted_cell(lines.text())));
    }
    const std::string foreign = repaired(cells[0]);
    const std::optional<std::uint8_t> ours = labels.find(cells[1]);
    if (!ours && lines.number() == 1) {
      map.header_label_ = foreign;
      continue;
    }
    if (!ours) {
      return invalid(fmt::format("{}: the model has no {} label {}; it has: {}", place, labels.task,
                                 quoted_cell(cells[1]), fmt::join(labels.names, ", ")));
    }
    const auto [it, added] = map.ours_.emplace(foreign, *ours);
    if (!added && it->second != *ours) {
      return invalid(fmt::format("{}: {} is mapped to {} here and to {} above; keep one line",
                                 place, quoted_cell(foreign), quoted_cell(cells[1]),
                                 quoted_cell(labels.names[it->second])));
    }
  }
  if (map.ours_.empty()) {
    return invalid(
        fmt::format("{}: maps no label; write foreign<TAB>ours, one a line, with ours "
                    "one of: {}",
                    map.name_, fmt::join(labels.names, ", ")));
  }
  return map;
}

Result<LabelledFile> read_labelled_file(const std::string& path, const TaskLabels& labels,
                                        const LabelledFileOptions& options) {
  TRY_ASSIGN(const NamedText whole, read_whole(path, options.bytes_max));
  return FileReader(labels, options).read(whole);
}

}  // namespace tidewatch
