// SPDX-License-Identifier: Apache-2.0
#include "app/config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>

#include "app/config_table.h"
#include "app/report_config.h"
#include "app/source_config.h"
#include "infer/backend_choice.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kLanesMax = 8;

using Table = ConfigTable;

constexpr std::uint64_t kAny = std::numeric_limits<std::int64_t>::max();

void read_server(Table& t, Config& c) {
  t.text("bind", c.http.bind);
  t.number("port", c.http.port, 0, 65'535);
  t.number("connections_max", c.http.connections_max, 1, 100'000);
  t.texts("allowed_hosts", c.http.allowed_hosts, 100);
  t.texts("allowed_origins", c.http.allowed_origins, 100);
  t.number("deadline_ms", c.deadline_ms, 1, 60'000);
  t.text("public_url", c.public_url);
  while (c.public_url.ends_with('/')) c.public_url.pop_back();
  c.pipeline.target = std::chrono::milliseconds{c.deadline_ms};
}

void read_grpc(Table& t, Config& c) {
  t.flag("enabled", c.grpc.enabled);
  t.number("port", c.grpc.port, 0, 65'535);
  t.number("calls_max", c.grpc.calls_max, 1, 100'000);
  t.number("message_bytes_max", c.grpc.message_bytes_max, 1 << 10, 1 << 30);
}

void read_data(Table& t, Config& c) {
  std::string dir;
  std::uint64_t days = static_cast<std::uint64_t>(c.store.retention.count()) / 24;
  t.text("dir", dir);
  t.number("retention_days", days, 1, 36'500);
  t.number("bytes_max", c.store.bytes_max, 1 << 20, kAny);
  if (!dir.empty()) c.store.dir = dir;
  c.store.retention = std::chrono::hours{24 * days};
}

// A number for every model, or a table of numbers by model.
void read_lanes(Table& t, Config& c) {
  const toml::node* node = t.take("lanes");
  if (node == nullptr) return;
  const auto fits = [](const std::optional<std::int64_t>& n) {
    return n && *n >= 0 && *n <= kLanesMax;
  };
  if (const toml::table* shares = node->as_table(); shares != nullptr) {
    for (const auto& [name, value] : *shares) {
      const auto lanes = value.value_exact<std::int64_t>();
      if (!fits(lanes)) {
        t.fail(value, fmt::format("lanes.{}", name.str()),
               fmt::format("must be a whole number from 0 to {}", kLanesMax));
        continue;
      }
      c.inference.lanes_of[std::string{name.str()}] = static_cast<std::size_t>(*lanes);
    }
    return;
  }
  const auto lanes = node->value_exact<std::int64_t>();
  if (!fits(lanes)) {
    t.fail(*node, "lanes",
           fmt::format("must be a whole number from 0 to {}, or such numbers by model: "
                       "{{ base = 2, large = 1 }}",
                       kLanesMax));
    return;
  }
  c.inference.lanes = static_cast<std::size_t>(*lanes);
}

void read_model(Table& t, Config& c) {
  std::string dir;
  t.text("name", c.inference.model);
  t.text("dir", dir);
  if (const toml::node* node = t.take("precision")) {
    const auto precision = parse_precision(node->value_or(std::string{}));
    if (precision) {
      c.inference.precision = *precision;
    } else {
      t.fail(*node, "precision", "must be \"auto\", \"fp32\" or \"int8\"");
    }
  }
  if (const toml::node* node = t.take("backend")) {
    const auto backend = parse_backend_kind(node->value_or(std::string{}));
    if (backend) {
      c.inference.backend = *backend;
    } else {
      t.fail(*node, "backend", "must be \"auto\", \"native\", \"openvino\" or \"tensorrt\"");
    }
  }
  t.number("instances", c.inference.instances, 0, 1'024);
  read_lanes(t, c);
  t.number("cache_bytes_max", c.inference.cache_bytes_max, 0, 1ULL << 40);
  if (!dir.empty()) c.models_dir = dir;
  std::string engines;
  t.text("engines_dir", engines);
  if (!engines.empty()) c.control.engines_dir = engines;
}

void read_swap(Table& t, Config& c) {
  t.decimal("agreement_min", c.control.swap.agreement_min, 0, 1);
  t.decimal("latency_ratio_max", c.control.swap.latency_ratio_max, 0, 1'000);
  t.decimal("accuracy_drop_max", c.control.swap.accuracy_drop_max, 0, 1);
  t.text("golden_file", c.control.golden_file);
}

void read_canary(Table& t, Config& c) {
  CanaryLimits& limits = c.control.canary;
  t.decimal("accuracy_drop_max", limits.accuracy_drop_max, 0, 1);
  t.number("probes_min", limits.probes_min, 1, 1'000'000);
  t.decimal("error_rate_max", limits.error_rate_max, 0, 1);
  t.number("runs_min", limits.runs_min, 1, 1'000'000'000);
  t.decimal("latency_ratio_max", limits.latency_ratio_max, 0, 1'000);
  t.number("latency_runs_min", limits.latency_runs_min, 1, 1'000'000'000);
  t.number("promote_after", limits.promote_after, 0, 1'000'000'000);
  std::uint64_t seconds = static_cast<std::uint64_t>(c.control.probe_every.count()) / 1'000;
  t.number("probe_seconds", seconds, 1, 86'400);
  c.control.probe_every = std::chrono::seconds{seconds};
}

void read_cascade(Table& t, Config& c) {
  t.decimal("emotion_margin", c.inference.margins.emotion, 0, 1);
  t.decimal("topic_margin", c.inference.margins.topic, 0, 1);
  t.number("queue_tokens_max", c.inference.escalation_tokens_max, 1, 1 << 20);
  t.number("instances", c.inference.escalation_instances, 0, 1'024);
}

void read_batch(Table& t, Config& c) {
  BatchPolicyOptions& policy = c.inference.policy;
  std::uint64_t window_ms = 0;
  std::uint64_t fallback_ms = 0;
  if (const toml::node* node = t.take("window_ms")) {
    c.inference.window_set = node->is_integer();
  }
  t.number("window_ms", window_ms, 0, 50);
  t.number("fallback_ms", fallback_ms, 1, 1'000);
  c.inference.batch_max_set = t.take("batch_max") != nullptr;
  t.number("batch_max", policy.batch_max, 1, 1'024);
  t.number("batch_min", policy.batch_min, 1, 1'024);
  t.number("bucket_items_max", c.inference.bucket_items_max, 1, 1 << 20);
  std::uint64_t run_time_us = static_cast<std::uint64_t>(policy.run_time_max.count());
  t.number("run_time_us", run_time_us, 50, 100'000);
  policy.run_time_max = std::chrono::microseconds{run_time_us};
  std::uint64_t safety_us = static_cast<std::uint64_t>(policy.safety.count());
  t.number("safety_us", safety_us, 0, 50'000);
  policy.safety = std::chrono::microseconds{safety_us};
  if (c.inference.window_set) policy.window = std::chrono::milliseconds{window_ms};
  if (fallback_ms > 0) policy.fallback = std::chrono::milliseconds{fallback_ms};
}

void read_ingest(Table& t, Config& c) {
  t.number("posts_in_flight_max", c.pipeline.posts_in_flight_max, 1, 1 << 20);
  t.number("line_bytes_max", c.decode.line_bytes_max, 1 << 10, 64 << 20);
  t.number("text_bytes_max", c.decode.text_bytes_max, 1 << 8, 16 << 20);
  t.number("field_bytes_max", c.decode.field_bytes_max, 1 << 6, 1 << 20);
  t.number("extra_bytes_max", c.decode.extra_bytes_max, 0, 16 << 20);
  t.number("body_bytes_max", c.http.body_bytes_max, 1 << 10, kAny);
}

// A source or emotion that is watched is a rule that names it.
void watch_values(QueryField field, const std::vector<std::string>& values, Config& c) {
  for (const std::string& value : values) {
    c.rules.push_back({.name = fmt::format("{}:{}", field_name(field), value),
                       .query = narrowed("", field, {value}),
                       .description = "",
                       .enabled = true});
  }
}

void read_watch(Table& t, Config& c) {
  t.texts("keywords", c.aggregate.keywords, kKeywordsMax);
  t.number("keys_max", c.aggregate.keys_max, 64, 1 << 22);
  std::vector<std::string> sources, emotions;
  t.texts("sources", sources, 100);
  t.texts("emotions", emotions, 16);
  watch_values(QueryField::kSource, sources, c);
  watch_values(QueryField::kEmotion, emotions, c);
  std::string rules_dir;
  t.text("rules_dir", rules_dir);
  if (!rules_dir.empty()) c.rules_dir = rules_dir;
  double topic_min = static_cast<double>(c.aggregate.topic_probability_min);
  t.decimal("topic_probability_min", topic_min, 0, 1);
  c.aggregate.topic_probability_min = static_cast<float>(topic_min);
  std::uint64_t lateness = static_cast<std::uint64_t>(c.aggregate.lateness.count());
  t.number("lateness_seconds", lateness, 1, 300);
  c.aggregate.lateness = std::chrono::seconds{lateness};
  std::uint64_t settle = static_cast<std::uint64_t>(c.aggregate.settle.count());
  t.number("settle_seconds", settle, 0, lateness);
  c.aggregate.settle = std::chrono::seconds{settle};
}

void read_topics(const toml::table& table, const std::string& file, Config& c, Status& status) {
  for (const auto& [key, node] : table) {
    TopicTree::Group group{std::string{key.str()}, {}};
    const toml::array* const array = node.as_array();
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      if (const auto member = (*array)[i].value_exact<std::string>()) {
        group.second.push_back(*member);
      }
    }
    if (array == nullptr || group.second.size() != array->size() || group.second.empty()) {
      status = Error{Code::kInvalidArgument,
                     fmt::format("{}, line {}: topics.{} must be a list of topics and groups", file,
                                 node.source().begin.line, key.str())};
      return;
    }
    c.topic_groups.push_back(std::move(group));
  }
}

Result<std::string> read_file(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) {
    return Error{Code::kNotFound, fmt::format("{}: cannot be read", file.string())};
  }
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Status add_rules(std::string_view toml, const std::string& name, bool rules_only, Config& c) {
  TRY_ASSIGN(std::vector<Rule> rules, parse_rules(toml, name, rules_only));
  for (Rule& rule : rules) {
    const bool taken = std::any_of(c.rules.begin(), c.rules.end(),
                                   [&](const Rule& other) { return other.name == rule.name; });
    if (taken) {
      return Error{
          Code::kInvalidArgument,
          fmt::format("{}: rule '{}' is there already; give each its own name", name, rule.name)};
    }
    c.rules.push_back(std::move(rule));
  }
  return {};
}

// Every *.toml of the folder, by name.
Status read_rules_dir(const std::filesystem::path& dir, Config& c) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  if (error) {
    return Error{Code::kNotFound, fmt::format("{}: watch.rules_dir cannot be read ({}); make the "
                                              "folder, or leave the key out",
                                              dir.string(), error.message())};
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    TRY_ASSIGN(const std::string text, read_file(file));
    TRY(add_rules(text, file.string(), /*rules_only=*/true, c));
  }
  return {};
}

// What `calibrate-alerts` writes, in a file of its own or in [detect].
void read_thresholds(Table& t, DetectOptions& detect) {
  t.decimals("volume_thresholds", detect.volume_thresholds, 1, 1'000);
  t.decimals("burst_thresholds", detect.burst_thresholds, 1, 1'000);
  t.decimal("negative_threshold", detect.negative_threshold, 1, 1'000);
}

void read_detect(Table& t, Config& c) {
  double every_class = 0;
  t.decimal("volume_threshold", every_class, 1, 1'000);
  if (every_class > 0) {
    c.detect.volume_thresholds.fill(every_class);
    c.detect.burst_thresholds.fill(every_class);
  }
  read_thresholds(t, c.detect);
  t.text("thresholds_file", c.thresholds_file);
  t.number("authors_min", c.detect.authors_min, 1, 1'000'000);
  t.decimal("excess_min", c.detect.excess_min, 0, 1e9);
}

void read_log(Table& t, Config& c) {
  std::string level;
  std::string format;
  t.text("level", level);
  t.text("format", format);
  if (!level.empty()) {
    if (const auto parsed = parse_log_level(level)) {
      c.log_level = *parsed;
    } else {
      t.fail(*t.take("level"), "level", parsed.error().message);
    }
  }
  if (!format.empty()) {
    if (const auto parsed = parse_log_format(format)) {
      c.log_format = *parsed;
    } else {
      t.fail(*t.take("format"), "format", parsed.error().message);
    }
  }
}

using Sections = std::vector<std::pair<std::string, std::function<void(Table&, Config&)>>>;

// In the order of `tidewatch init`.
const Sections& all_sections() {
  static const Sections sections{
      {"server", read_server}, {"grpc", read_grpc},     {"data", read_data},
      {"model", read_model},   {"ingest", read_ingest}, {"watch", read_watch},
      {"detect", read_detect}, {"log", read_log},       {"cascade", read_cascade},
      {"batch", read_batch},   {"swap", read_swap},     {"canary", read_canary}};
  return sections;
}

}  // namespace

std::vector<ConfigOption> config_options() {
  std::vector<ConfigOption> options;
  const toml::table nothing;
  const std::string no_file;
  for (const auto& [name, read] : all_sections()) {
    Config config;
    Table table(nothing, name, no_file, &options);
    read(table, config);
  }
  return options;
}

Result<Config> parse_config(std::string_view text, const std::string& name) {
  toml::table root;
  try {  // toml++ throws on a syntax error
    root = toml::parse(text, name);
  } catch (const toml::parse_error& e) {
    return Error{Code::kInvalidArgument, fmt::format("{}, line {}: {}", name, e.source().begin.line,
                                                     std::string{e.description()})};
  }
  Config config;
  const Sections& sections = all_sections();
  for (const auto& [key, node] : root) {
    if (key.str() == "webhook" || key.str() == "channel") {
      TRY(read_channels(node, std::string(key.str()), name, config.channels));
      continue;
    }
    if (key.str() == "rule") continue;  // add_rules() reads them
    if (key.str() == "topics" && node.is_table()) {
      Status status;
      read_topics(*node.as_table(), name, config, status);
      TRY(status);
      continue;
    }
    if (key.str() == "sources") {
      TRY_ASSIGN(config.sources, read_sources(node, name));
      continue;
    }
    if (key.str() == "subscriber") {
      TRY(read_subscribers(node, name, config.subscribers));
      continue;
    }
    if (key.str() == "reports") {
      TRY(read_reports(node, name, config.reports));
      continue;
    }
    const auto section =
        std::find_if(sections.begin(), sections.end(),
                     [&, name = key.str()](const auto& each) { return each.first == name; });
    if (section == sections.end() || !node.is_table()) {
      return Error{
          Code::kInvalidArgument,
          fmt::format("{}, line {}: '{}' is not a known section; known are [server], [grpc], "
                      "[data], [model], [cascade], [swap], [canary], [batch], [ingest], [watch], "
                      "[topics], [detect], [log], [[rule]], [[sources]], [[webhook]], [[channel]], "
                      "[[subscriber]] and [[reports]]",
                      name, node.source().begin.line, key.str())};
    }
    Table table(*node.as_table(), section->first, name);
    section->second(table, config);
    TRY(table.finish());
  }
  TRY_ASSIGN(const std::vector<std::string> reported,
             match_reports(name, config.channels, config.reports));
  TRY(match_subscribers(name, config.channels, config.subscribers, reported));
  TRY(add_rules(text, name, /*rules_only=*/false, config));
  if (!config.rules_dir.empty()) TRY(read_rules_dir(config.rules_dir, config));
  config.inference.margins.topic_floor = config.aggregate.topic_probability_min;
  return config;
}

Status read_thresholds_file(const std::filesystem::path& file, DetectOptions& detect) {
  std::ifstream in(file);
  if (!in) {
    return Error{Code::kNotFound,
                 fmt::format("{}: cannot be read; `tidewatch calibrate-alerts --output` writes it",
                             file.string())};
  }
  std::stringstream text;
  text << in.rdbuf();
  const std::string name = file.string();
  toml::table root;
  try {
    root = toml::parse(text.str(), name);
  } catch (const toml::parse_error& e) {
    return Error{Code::kInvalidArgument, fmt::format("{}, line {}: {}", name, e.source().begin.line,
                                                     std::string{e.description()})};
  }
  Table table(root, "", name);
  read_thresholds(table, detect);
  return table.finish();
}

Result<Config> read_config(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) {
    return Error{Code::kNotFound, fmt::format("{}: cannot be read; see docs/configuration.md for "
                                              "what it may hold",
                                              file.string())};
  }
  std::stringstream text;
  text << in.rdbuf();
  TRY_ASSIGN(Config config, parse_config(text.str(), file.string()));
  if (!config.thresholds_file.empty()) {
    // A relative name is one beside the configuration.
    TRY(read_thresholds_file(file.parent_path() / config.thresholds_file, config.detect));
  }
  return config;
}

std::filesystem::path Config::engines() const {
  return control.engines_dir.empty() ? store.dir / "engines" : control.engines_dir;
}

BackendOptions Config::backend_options() const {
  BackendOptions options;
  options.instances = inference.instances;
  options.precision = inference.precision;
  options.kind = inference.backend;
  options.lanes = inference.lanes;
  options.lanes_of = inference.lanes_of;
  options.engines_dir = engines();
  return options;
}

std::filesystem::path Config::models() const {
  return models_dir.empty() ? bundled_models_dir() : models_dir;
}

std::filesystem::path bundled_models_dir() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path() / "share" / "tidewatch" / "models";
}

}  // namespace tidewatch
