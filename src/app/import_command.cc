// SPDX-License-Identifier: Apache-2.0
// import: posts from a CSV file or an Excel workbook, with its columns mapped.
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/import_target.h"
#include "core/rfc3339.h"
#include "ingest/post_json.h"
#include "observe/log.h"
#include "sources/column_map.h"
#include "sources/durable_file.h"
#include "sources/foreign_json.h"
#include "sources/sheet_date.h"
#include "sources/table_reader.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBatchPosts = 500;
constexpr std::size_t kBatchBytes = 1 << 20;
constexpr std::size_t kPreviewRows = 5;
constexpr std::size_t kFaultsShown = 20;
constexpr std::size_t kFaultsKept = 100;
constexpr std::size_t kPreviewCharsMax = 40;

volatile std::sig_atomic_t interrupted = 0;
void interrupt(int signal) { interrupted = signal; }

// At most so many characters, on one line.
std::string shortened(const std::string& text) {
  std::string out;
  std::size_t characters = 0;
  for (const char c : text) {
    const bool starts = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (starts && ++characters > kPreviewCharsMax) return out + "…";
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

struct Fault {
  std::uint64_t line = 0;
  RowFault what;
  std::string text() const {
    return what.column.empty()
               ? fmt::format("line {}: {}", line, what.reason)
               : fmt::format("line {}, column {}: {}", line, what.column, what.reason);
  }
};

// Remembers up to which line a table was imported into a place.
class ResumePoint {
 public:
  ResumePoint(std::filesystem::path file) : file_(std::move(file)) {}

  // The last line that is on disk; 0: none.
  std::uint64_t read() const {
    if (file_.empty()) return 0;
    const auto text = read_whole(file_);
    if (text && text->empty()) return 0;
    const Result<nlohmann::json> json = text ? parse_foreign_json(*text) : text.error();
    const auto line = json ? foreign_count(*json, "line") : std::nullopt;
    if (!line) {
      fmt::print(stderr, "{}: {}; the table is imported from its start\n", file_.string(),
                 text ? "not what was written there" : text.error().message);
    }
    return line.value_or(0);
  }
  Status write(std::uint64_t line) const {
    if (file_.empty()) return {};
    return write_durably(file_, Json{{"line", line}}.dump());
  }
  void remove() const {
    std::error_code ignored;
    if (!file_.empty()) std::filesystem::remove(file_, ignored);
  }

 private:
  const std::filesystem::path file_;  // empty: nothing is remembered
};

// In the data folder, or where programs keep their state for a person.
std::filesystem::path resume_folder(const ImportOptions& options) {
  if (!options.data_dir.empty()) return std::filesystem::path(options.data_dir) / "sources";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "tidewatch";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return {};
  return std::filesystem::path(home) / ".local" / "state" / "tidewatch";
}

// One file of a size and time, into one place, by one map.
std::filesystem::path resume_file(const ImportOptions& options) {
  const std::filesystem::path folder = resume_folder(options);
  if (folder.empty() || options.file == "-") return {};
  std::error_code error;
  const auto path = std::filesystem::canonical(options.file, error);
  const auto size = std::filesystem::file_size(options.file, error);
  const auto changed = std::filesystem::last_write_time(options.file, error);
  const std::string key =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", path.string(), size, changed.time_since_epoch().count(),
                  options.url, options.data_dir, fmt::join(options.map, ","));
  return folder / fmt::format("import-{:016x}.json", XXH64(key.data(), key.size(), 0));
}

class Import {
 public:
  explicit Import(const ImportOptions& options) : options_(options) {}

  Status run() {
    TRY(open());
    if (!options_.json) show_guess();
    if (!options_.dry_run) TRY(open_target());
    const Status imported = take_rows();
    if (imported) TRY(end_well());
    report(imported);
    return imported;
  }

 private:
  Status open() {
    std::optional<TextEncoding> encoding;
    if (options_.encoding == "utf-8") encoding = TextEncoding::kUtf8;
    if (options_.encoding == "gb18030") encoding = TextEncoding::kGb18030;
    const auto offset = parse_utc_offset(options_.utc_offset);
    if (!offset) {
      return Error{
          Code::kInvalidArgument,
          fmt::format("--utc-offset: '{}' must be written as +08:00", options_.utc_offset)};
    }
    TRY_ASSIGN(config_, resolve_config(options_.common));
    TRY_ASSIGN(table_, open_table(options_.file, encoding));
    TRY_ASSIGN(auto first, table_->next());
    if (!first) return Error{Code::kInvalidArgument, options_.file + ": holds no rows"};
    std::vector<std::string> header;
    for (std::size_t i = 0; i < first->cells.size(); ++i) {
      header.push_back(options_.no_header ? fmt::format("#{}", i + 1) : first->cells[i].text);
    }
    if (options_.no_header) ahead_.push_back(*std::move(first));
    TRY_ASSIGN(ColumnMap map, map_columns(header, options_.map));
    RowReader::Options reader;
    reader.name = std::filesystem::path(options_.file).filename().string();
    reader.utc_offset = *offset;
    reader.source = options_.source;
    reader_.emplace(std::move(map), std::move(reader), config_.decode, clock_.wall_now());
    while (ahead_.size() < kPreviewRows) {
      TRY_ASSIGN(auto row, table_->next());
      if (!row) break;
      ahead_.push_back(*std::move(row));
    }
    return {};
  }

  void show_guess() const {
    const ColumnMap& map = reader_->map();
    fmt::print("{}: {}\n", options_.file, table_->describe());
    for (std::size_t field = 0; field < kPostFields; ++field) {
      if (!map.columns[field]) continue;
      fmt::print("  {:<9} from {}\n", field_label(static_cast<PostField>(field)),
                 map.names[*map.columns[field]]);
    }
    std::string others;
    for (const std::size_t column : map.others()) {
      others += (others.empty() ? "" : ", ") + map.names[column];
    }
    if (!others.empty()) fmt::print("  kept as they are: {}\n", others);
    if (!map.column(PostField::kTime)) {
      fmt::print("  no column is the time: posts are of now; --map time=COLUMN says otherwise\n");
    }
    fmt::print("first rows:\n");
    for (const TableRow& row : ahead_) {
      const auto read = reader_->read(row);
      if (const auto* fault = std::get_if<RowFault>(&read)) {
        fmt::print("  {}\n", Fault{row.line, *fault}.text());
        continue;
      }
      const Post& post = std::get<Post>(read);
      fmt::print("  {}  {}  {}  {}\n", to_rfc3339(post.time), post.author, post.region,
                 shortened(post.text));
    }
    std::fflush(stdout);
  }

  Status open_target() {
    resume_.emplace(resume_file(options_));
    if (options_.restart) resume_->remove();
    resumed_line_ = resume_->read();
    const Interrupted stop = [] { return interrupted != 0; };
    if (options_.data_dir.empty()) {
      TRY_ASSIGN(target_, make_url_target(options_.url, stop));
    } else {
      config_.store.dir = options_.data_dir;
      TRY_ASSIGN(target_, make_store_target(config_, clock_, stop));
    }
    if (resumed_line_ > 0 && !options_.json) {
      fmt::print("goes on after line {}; --restart begins anew\n", resumed_line_);
    }
    return {};
  }

  Status take_rows() {
    Progress progress("importing", clock_);
    for (;;) {
      if (interrupted != 0)
        return Error{Code::kCancelled, "stopped; the same command goes on from here"};
      TRY_ASSIGN(auto row, next_row());
      if (!row) break;
      if (row->line <= resumed_line_) continue;
      ++rows_;
      take_row(*row);
      if (batch_.size() >= kBatchPosts || batch_bytes_ >= kBatchBytes) TRY(flush());
      progress.show(table_->bytes_read(), table_->bytes_total(), rows_);
    }
    return flush();
  }

  Result<std::optional<TableRow>> next_row() {
    if (ahead_.empty()) return table_->next();
    TableRow row = std::move(ahead_.front());
    ahead_.erase(ahead_.begin());
    return std::optional<TableRow>(std::move(row));
  }

  void take_row(const TableRow& row) {
    last_line_ = row.line;
    auto read = reader_->read(row);
    if (auto* fault = std::get_if<RowFault>(&read)) {
      ++faulty_;
      if (faults_.size() < kFaultsKept) faults_.push_back({row.line, std::move(*fault)});
      return;
    }
    Post& post = std::get<Post>(read);
    batch_bytes_ += post.text.size() + post.extra.size() + 200;
    batch_.push_back(std::move(post));
  }

  Status flush() {
    batch_bytes_ = 0;
    std::vector<Post> batch = std::exchange(batch_, {});
    if (!target_) return {};
    if (!batch.empty()) TRY(target_->send(std::move(batch)));
    TRY(target_->settle());
    return resume_->write(last_line_);
  }

  Status end_well() {
    if (!target_) return {};
    TRY(target_->finish());
    resume_->remove();
    return {};
  }

  void report(const Status& ended) const {
    const ImportTarget::Counts counts = target_ ? target_->counts() : ImportTarget::Counts{};
    if (options_.json) {
      Json columns = Json::object();
      for (std::size_t field = 0; field < kPostFields; ++field) {
        const auto column = reader_->map().columns[field];
        if (column) {
          columns[std::string(field_label(static_cast<PostField>(field)))] =
              reader_->map().names[*column];
        }
      }
      Json errors = Json::array();
      for (const Fault& fault : faults_) {
        errors.push_back(
            {{"line", fault.line}, {"column", fault.what.column}, {"reason", fault.what.reason}});
      }
      const Json json{{"file", options_.file},
                      {"format", table_->describe()},
                      {"columns", std::move(columns)},
                      {"dry_run", options_.dry_run},
                      {"rows", rows_},
                      {"resumed_after_line", resumed_line_},
                      {"stored", counts.stored},
                      {"duplicates", counts.duplicates},
                      {"rejected", faulty_},
                      {"errors", std::move(errors)},
                      {"complete", ended.ok()}};
      fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
      return;
    }
    for (std::size_t i = 0; i < faults_.size() && i < kFaultsShown; ++i) {
      fmt::print(stderr, "{}\n", faults_[i].text());
    }
    if (faulty_ > kFaultsShown)
      fmt::print(stderr, "… and {} bad rows more\n", faulty_ - kFaultsShown);
    if (options_.dry_run) {
      fmt::print("{} rows, {} bad; nothing was imported\n", rows_, faulty_);
    } else {
      fmt::print("{} rows: {} new, {} there already, {} bad\n", rows_, counts.stored,
                 counts.duplicates, faulty_);
    }
  }

  const ImportOptions options_;
  SystemClock clock_;
  Config config_;
  std::unique_ptr<TableReader> table_;
  std::optional<RowReader> reader_;
  std::vector<TableRow> ahead_;           // read for the preview
  std::unique_ptr<ImportTarget> target_;  // null in a dry run
  std::optional<ResumePoint> resume_;
  std::uint64_t resumed_line_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t last_line_ = 0;
  std::uint64_t faulty_ = 0;
  std::vector<Fault> faults_;
  std::vector<Post> batch_;
  std::size_t batch_bytes_ = 0;
};

}  // namespace

int run_import(const ImportOptions& options) {
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  const Status status = Import(options).run();
  if (status) return 0;
  fail(status.error());
  return interrupted != 0 ? 128 + static_cast<int>(interrupted) : 1;
}

}  // namespace tidewatch
