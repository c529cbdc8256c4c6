// SPDX-License-Identifier: Apache-2.0
#include "app/text_files.h"

#include <memory>
#include <optional>
#include <variant>

#include "core/clock.h"
#include "ingest/file_source.h"
#include "ingest/line_splitter.h"
#include "ingest/post_decoder.h"

namespace tidewatch {
namespace {

enum class Form : std::uint8_t { kLines, kColumns, kPosts, kTellByContent };

Form form_of(std::string_view path) {
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (path.ends_with(packed)) path.remove_suffix(packed.size());
  }
  for (const std::string_view posts : {".ndjson", ".jsonl", ".json"}) {
    if (path.ends_with(posts)) return Form::kPosts;
  }
  if (path.ends_with(".tsv")) return Form::kColumns;
  return path == "-" ? Form::kTellByContent : Form::kLines;
}

// The number of the column that holds the texts; nothing: all after the first tab.
std::optional<std::size_t> text_column(std::string_view header) {
  std::size_t column = 0;
  while (true) {
    const std::size_t tab = header.find('\t');
    const std::string_view name = header.substr(0, tab);
    if (name == "text" || name == "title") return column;
    if (tab == std::string_view::npos) return std::nullopt;
    header.remove_prefix(tab + 1);
    ++column;
  }
}

// Cuts texts out of lines.
class TextReader {
 public:
  TextReader(Form form, std::size_t line_bytes_max)
      : form_(form), decoder_({.line_bytes_max = line_bytes_max}, clock_, ids_) {}

  // The text of a line; nothing when it has none that counts.
  std::optional<std::string_view> text_of(std::string_view line, std::uint64_t& skipped) {
    const bool first = first_;
    first_ = false;
    if (first && form_ == Form::kTellByContent) {
      form_ = line.starts_with('{') ? Form::kPosts : Form::kLines;
    }
    if (form_ == Form::kLines) return line;
    if (form_ == Form::kPosts) return post_text(line, skipped);
    if (first) {
      column_ = text_column(line);
      return std::nullopt;
    }
    return cell(line, skipped);
  }

 private:
  std::optional<std::string_view> post_text(std::string_view line, std::uint64_t& skipped) {
    std::variant<Post, DecodeError> decoded = decoder_.decode(line);
    if (Post* post = std::get_if<Post>(&decoded)) {
      text_ = std::move(post->text);
      return text_;
    }
    ++skipped;
    return std::nullopt;
  }
  std::optional<std::string_view> cell(std::string_view line, std::uint64_t& skipped) const {
    for (std::size_t i = 0; i < column_.value_or(1); ++i) {
      const std::size_t tab = line.find('\t');
      if (tab == std::string_view::npos) {
        ++skipped;
        return std::nullopt;
      }
      line.remove_prefix(tab + 1);
    }
    return column_ ? line.substr(0, line.find('\t')) : line;
  }

  Form form_;
  bool first_ = true;
  std::optional<std::size_t> column_;
  SystemClock clock_;
  FreshIds ids_{"calibration"};
  PostDecoder decoder_;
  std::string text_;
};

}  // namespace

Status read_text_file(const std::string& path, std::size_t line_bytes_max,
                      const std::function<void(std::string_view)>& visit, std::uint64_t& skipped) {
  TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open_file_source(path));
  LineSplitter splitter(line_bytes_max);
  TextReader reader(form_of(path), line_bytes_max);
  const auto take = [&](const LineSplitter::Line& line) {
    if (line.too_long) {
      ++skipped;
      return;
    }
    const auto text = reader.text_of(line.text, skipped);
    if (text && !text->empty()) visit(*text);
  };
  while (true) {
    TRY_ASSIGN(const std::string_view chunk, source->read());
    if (chunk.empty()) break;
    splitter.feed(chunk);
    while (const auto line = splitter.next()) take(*line);
  }
  if (const auto line = splitter.finish()) take(*line);
  return {};
}

}  // namespace tidewatch
