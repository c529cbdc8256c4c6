// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <utility>

#include "ingest/file_source.h"
#include "sources/csv_parser.h"
#include "sources/table_reader.h"

namespace tidewatch {
namespace {

class CsvFile final : public TableReader {
 public:
  CsvFile(std::string path, std::unique_ptr<ByteSource> bytes, std::string start,
          TextEncoding encoding, std::unique_ptr<TextDecoder> decoder)
      : path_(std::move(path)),
        bytes_(std::move(bytes)),
        encoding_(encoding),
        decoder_(std::move(decoder)),
        bytes_read_(start.size()) {
    std::error_code ignored;
    bytes_total_ = std::filesystem::file_size(path_, ignored);
    decoder_->decode(start, false, text_);
    separator_ = guess_separator(text_);
    parser_ = std::make_unique<CsvParser>(separator_);
  }

  Result<std::optional<TableRow>> next() override {
    while (rows_.empty()) {
      if (const Status parsed = parser_->feed(text_, rows_); !parsed) return named(parsed.error());
      text_.clear();
      if (!rows_.empty()) break;
      if (ended_) return std::optional<TableRow>{};
      TRY_ASSIGN(const std::string_view piece, bytes_->read());
      bytes_read_ += piece.size();
      decoder_->decode(piece, piece.empty(), text_);
      if (!piece.empty()) continue;
      ended_ = true;
      if (const Status parsed = parser_->feed(text_, rows_); !parsed) return named(parsed.error());
      text_.clear();
      if (const Status parsed = parser_->finish(rows_); !parsed) return named(parsed.error());
    }
    TableRow row = std::move(rows_.front());
    rows_.pop_front();
    return std::optional<TableRow>(std::move(row));
  }

  std::string describe() const override {
    return fmt::format("CSV, {}, separated by {}", encoding_name(encoding_),
                       separator_ == '\t' ? "tabs" : fmt::format("'{}'", separator_));
  }
  std::uint64_t bytes_read() const override { return bytes_read_; }
  std::uint64_t bytes_total() const override { return bytes_total_; }

 private:
  Error named(const Error& error) const {
    return {error.code, fmt::format("{}, {}", path_, error.message)};
  }

  const std::string path_;
  const std::unique_ptr<ByteSource> bytes_;
  const TextEncoding encoding_;
  const std::unique_ptr<TextDecoder> decoder_;
  char separator_ = ',';
  std::unique_ptr<CsvParser> parser_;
  std::string text_;  // decoded, not parsed yet
  std::deque<TableRow> rows_;
  bool ended_ = false;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_total_ = 0;
};

}  // namespace

Result<std::unique_ptr<TableReader>> open_csv(const std::string& path,
                                              std::optional<TextEncoding> encoding) {
  TRY_ASSIGN(auto bytes, open_file_source(path));
  TRY_ASSIGN(const std::string_view piece, bytes->read());
  std::string start(piece);
  if (start.starts_with("\xD0\xCF\x11\xE0")) {
    return Error{Code::kInvalidArgument,
                 path + ": an old Excel file (.xls); save it as .xlsx or CSV and import that"};
  }
  const TextEncoding guessed = encoding ? *encoding : guess_encoding(start);
  TRY_ASSIGN(auto decoder, TextDecoder::create(guessed));
  return std::unique_ptr<TableReader>(std::make_unique<CsvFile>(
      path, std::move(bytes), std::move(start), guessed, std::move(decoder)));
}

Result<std::unique_ptr<TableReader>> open_table(const std::string& path,
                                                std::optional<TextEncoding> encoding) {
  if (path != "-") {
    TRY_ASSIGN(auto bytes, open_file_source(path));
    TRY_ASSIGN(const std::string_view piece, bytes->read());
    if (piece.starts_with("PK\x03\x04")) return open_xlsx(path);
  }
  return open_csv(path, encoding);
}

}  // namespace tidewatch
