// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zip.h>

#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "sources/sheet_date.h"
#include "sources/table_reader.h"
#include "sources/xml_reader.h"

namespace tidewatch {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kPartBytesMax = 16 << 20;  // workbook, relations, styles
constexpr double kSerial1904 = 1'462;            // 1904-01-01 in days since 1899-12-30

using Element = XmlReader::Element;

std::string attribute(const Element& element, std::string_view name) {
  const auto at = element.attributes.find(name);
  return at == element.attributes.end() ? std::string{} : at->second;
}

std::optional<std::size_t> whole_number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "BC12": 54, counted from 0.
std::optional<std::size_t> column_of(std::string_view reference) {
  std::size_t column = 0;
  std::size_t letters = 0;
  while (letters < reference.size() && reference[letters] >= 'A' && reference[letters] <= 'Z') {
    column = column * 26 + static_cast<std::size_t>(reference[letters++] - 'A') + 1;
    if (letters > 3) return std::nullopt;
  }
  if (letters == 0) return std::nullopt;
  return column - 1;
}

struct ZipClose {
  void operator()(zip_t* archive) const { ::zip_discard(archive); }
  void operator()(zip_file_t* file) const { ::zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, ZipClose>;
using Part = std::unique_ptr<zip_file_t, ZipClose>;

// A workbook's first sheet, streamed; its shared strings and styles lie in memory.
class XlsxFile final : public TableReader {
 public:
  XlsxFile(std::string path, Archive archive, std::size_t strings_bytes_max)
      : path_(std::move(path)),
        archive_(std::move(archive)),
        strings_bytes_max_(strings_bytes_max) {}

  Status open() {
    TRY_ASSIGN(const std::string sheet, find_sheet());
    TRY(read_styles());
    TRY(read_strings());
    part_.reset(::zip_fopen(archive_.get(), sheet.c_str(), 0));
    if (!part_) return broken("the sheet " + sheet + " is missing");
    zip_stat_t stat{};
    if (::zip_stat(archive_.get(), sheet.c_str(), 0, &stat) == 0) bytes_total_ = stat.size;
    xml_ = std::make_unique<XmlReader>(
        XmlReader::Handler{[this](const Element& element) { start(element); },
                           [this](std::string_view, std::string_view name) { end(name); },
                           [this](std::string_view text) {
                             if (taking_ && value_.size() <= kCellBytesMax) value_ += text;
                           }});
    return {};
  }

  Result<std::optional<TableRow>> next() override {
    while (rows_.empty() && !ended_) {
      std::array<char, kPieceBytes> piece;
      const zip_int64_t size = ::zip_fread(part_.get(), piece.data(), piece.size());
      if (size < 0) return broken("the sheet's compressed data is damaged");
      bytes_read_ += static_cast<std::uint64_t>(size);
      ended_ = size == 0;
      if (const Status fed = xml_->feed({piece.data(), static_cast<std::size_t>(size)}, ended_);
          !fed) {
        return broken("the sheet: " + fed.error().message);
      }
      if (fault_) return *fault_;
    }
    if (rows_.empty()) return std::optional<TableRow>{};
    TableRow row = std::move(rows_.front());
    rows_.pop_front();
    return std::optional<TableRow>(std::move(row));
  }

  std::string describe() const override { return "Excel workbook, sheet '" + sheet_name_ + "'"; }
  std::uint64_t bytes_read() const override { return bytes_read_; }
  std::uint64_t bytes_total() const override { return bytes_total_; }

 private:
  Error broken(const std::string& why) const {
    return {
        Code::kInvalidArgument,
        fmt::format("{}: not a workbook that can be read: {}; save it again as .xlsx, or as CSV",
                    path_, why)};
  }

  // Streams a part through `handler`; one that is missing is left out.
  Status read_part(const std::string& name, XmlReader::Handler handler) {
    const Part part(::zip_fopen(archive_.get(), name.c_str(), 0));
    if (!part) return {};
    XmlReader xml(std::move(handler));
    std::array<char, kPieceBytes> piece;
    std::size_t sum = 0;
    for (;;) {
      const zip_int64_t size = ::zip_fread(part.get(), piece.data(), piece.size());
      if (size < 0) return broken(name + " is damaged");
      sum += static_cast<std::size_t>(size);
      if (sum > kPartBytesMax && name != "xl/sharedStrings.xml")
        return broken(name + " is too large");
      if (const Status fed = xml.feed({piece.data(), static_cast<std::size_t>(size)}, size == 0);
          !fed) {
        return broken(name + ": " + fed.error().message);
      }
      if (fault_) return *fault_;
      if (size == 0) return {};
    }
  }

  Result<std::string> find_sheet() {
    std::string relation;
    TRY(read_part("xl/workbook.xml",
                  {[&](const Element& element) {
                     if (element.name == "workbookPr") {
                       const std::string is_1904 = attribute(element, "date1904");
                       from_1904_ = is_1904 == "1" || is_1904 == "true";
                     }
                     if (element.name != "sheet" || !relation.empty()) return;
                     if (attribute(element, "state") == "hidden") return;
                     relation = attribute(element, "r:id");
                     sheet_name_ = attribute(element, "name");
                   },
                   [](std::string_view, std::string_view) {}, [](std::string_view) {}}));
    if (relation.empty()) return broken("it has no sheet");
    std::string target;
    TRY(read_part("xl/_rels/workbook.xml.rels",
                  {[&](const Element& element) {
                     if (attribute(element, "Id") == relation)
                       target = attribute(element, "Target");
                   },
                   [](std::string_view, std::string_view) {}, [](std::string_view) {}}));
    if (target.empty()) return broken("its sheet cannot be found");
    return target.starts_with('/') ? target.substr(1) : "xl/" + target;
  }

  Status read_styles() {
    std::set<std::size_t> date_formats;
    bool in_cell_formats = false;
    return read_part(
        "xl/styles.xml",
        {[&, date_formats, in_cell_formats](const Element& element) mutable {
           const auto id = whole_number(attribute(element, "numFmtId"));
           if (element.name == "numFmt" && id && is_date_format(attribute(element, "formatCode"))) {
             date_formats.insert(*id);
           }
           if (element.name == "cellXfs") in_cell_formats = true;
           if (element.name == "cellStyles") in_cell_formats = false;
           if (element.name == "xf" && in_cell_formats) {
             const bool date =
                 id && (date_formats.contains(*id) || is_date_format_id(static_cast<int>(*id)));
             date_styles_.push_back(date);
           }
         },
         [](std::string_view, std::string_view) {}, [](std::string_view) {}});
  }

  Status read_strings() {
    bool in_text = false;
    bool phonetic = false;
    std::size_t bytes = 0;
    const auto count = [&](std::size_t more) {
      bytes += more;
      if (bytes <= strings_bytes_max_ || fault_) return;
      fault_ = broken(fmt::format("its texts take more than {} MiB", strings_bytes_max_ >> 20));
    };
    return read_part("xl/sharedStrings.xml", {[&](const Element& element) {
                                                if (element.name == "si") {
                                                  strings_.emplace_back();
                                                  count(sizeof(std::string));
                                                }
                                                if (element.name == "rPh") phonetic = true;
                                                in_text = element.name == "t" && !phonetic;
                                              },
                                              [&](std::string_view, std::string_view name) {
                                                if (name == "rPh") phonetic = false;
                                                in_text = false;
                                              },
                                              [&](std::string_view text) {
                                                if (!in_text || strings_.empty() || fault_) return;
                                                strings_.back() += text;
                                                count(text.size());
                                              }});
  }

  void start(const Element& element) {
    if (element.name == "row") {
      const auto number = whole_number(attribute(element, "r"));
      row_ = TableRow{number ? *number : row_number_ + 1, {}};
      row_number_ = row_.line;
    } else if (element.name == "c") {
      const auto column = column_of(attribute(element, "r"));
      column_ = column ? *column : row_.cells.size();
      type_ = attribute(element, "t");
      style_ = whole_number(attribute(element, "s")).value_or(0);
      value_.clear();
    } else if (element.name == "rPh") {
      phonetic_ = true;
    } else if (element.name == "v" || (element.name == "t" && !phonetic_)) {
      taking_ = true;
    }
  }

  void end(std::string_view name) {
    if (name == "v" || name == "t") taking_ = false;
    if (name == "rPh") phonetic_ = false;
    if (name == "c") end_cell();
    if (name == "row") {
      for (const TableCell& cell : row_.cells) {
        if (cell.text.empty()) continue;
        rows_.push_back(std::move(row_));
        break;
      }
      row_ = TableRow{row_number_ + 1, {}};
    }
  }

  void end_cell() {
    if (column_ >= kColumnsMax || value_.size() > kCellBytesMax) {
      if (!fault_ && !value_.empty()) {
        fault_ = Error{Code::kInvalidArgument,
                       fmt::format("{}, line {}: more than {} columns, or {} bytes in a cell",
                                   path_, row_.line, kColumnsMax, kCellBytesMax)};
      }
      return;
    }
    if (row_.cells.size() <= column_) row_.cells.resize(column_ + 1);
    TableCell& cell = row_.cells[column_];
    if (type_ == "s") {
      const auto index = whole_number(value_);
      if (index && *index < strings_.size()) cell.text = strings_[*index];
      return;
    }
    cell.text = std::move(value_);
    value_.clear();
    const bool number = type_.empty() || type_ == "n";
    if (!number || style_ >= date_styles_.size() || !date_styles_[style_]) return;
    double days = 0;
    const char* const last = cell.text.data() + cell.text.size();
    const auto [stop, error] = std::from_chars(cell.text.data(), last, days);
    if (error == std::errc{} && stop == last) cell.serial = days + (from_1904_ ? kSerial1904 : 0);
  }

  const std::string path_;
  const Archive archive_;
  const std::size_t strings_bytes_max_;
  std::string sheet_name_;
  bool from_1904_ = false;
  std::vector<bool> date_styles_;
  std::vector<std::string> strings_;
  Part part_;  // before its archive goes
  std::unique_ptr<XmlReader> xml_;
  std::deque<TableRow> rows_;
  std::optional<Error> fault_;
  bool ended_ = false;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_total_ = 0;
  // Of the row and cell that is being read.
  TableRow row_;
  std::uint64_t row_number_ = 0;
  std::size_t column_ = 0;
  std::string type_;
  std::size_t style_ = 0;
  std::string value_;
  bool taking_ = false;
  bool phonetic_ = false;
};

}  // namespace

Result<std::unique_ptr<TableReader>> open_xlsx(const std::string& path,
                                               std::size_t strings_bytes_max) {
  int code = 0;
  Archive archive(::zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    zip_error_t error;
    ::zip_error_init_with_code(&error, code);
    std::string why = ::zip_error_strerror(&error);
    ::zip_error_fini(&error);
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: cannot be opened as a workbook: {}", path, why)};
  }
  auto file = std::make_unique<XlsxFile>(path, std::move(archive), strings_bytes_max);
  TRY(file->open());
  return std::unique_ptr<TableReader>(std::move(file));
}

}  // namespace tidewatch
