// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "aggregate/aggregator.h"
#include "app/channel_config.h"
#include "app/inference.h"
#include "app/model_control.h"
#include "app/pipeline.h"
#include "core/result.h"
#include "detect/detector.h"
#include "ingest/post_decoder.h"
#include "observe/log.h"
#include "query/topic_tree.h"
#include "report/report_schedule.h"
#include "rules/rule.h"
#include "serve/grpc/grpc_server.h"
#include "serve/http_server.h"
#include "store/store.h"

namespace tidewatch {

struct SourceList;  // sources/make_source.h

// The bundled models' topic heads know news only: below one in two they guess
// (models/*/MODEL_CARD.md).
inline AggregateOptions default_aggregate() {
  AggregateOptions options;
  options.topic_probability_min = 0.5F;
  return options;
}

// Everything that can be set, with its default. docs/configuration.md lists the file's keys.
struct Config {
  HttpOptions http;
  GrpcOptions grpc;  // its bind follows http.bind
  StoreOptions store;
  std::filesystem::path models_dir;  // empty: the bundled models; models() says where that is
  Inference::Options inference;      // margins.topic_floor follows aggregate.topic_probability_min
  // engines_dir empty: DATA_DIR/engines; state_file is DATA_DIR/engines.json.
  ModelControl::Options control;
  Pipeline::Options pipeline;
  DecodeLimits decode;
  AggregateOptions aggregate = default_aggregate();
  DetectOptions detect;
  std::string thresholds_file;                // [detect]: of `calibrate-alerts`; empty: none
  std::vector<ChannelOptions> channels;       // [[webhook]] and [[channel]], but for the log
  std::vector<Subscriber> subscribers;        // "everyone" when the file has none
  std::vector<ReportSchedule> reports;        // [[reports]]
  std::shared_ptr<const SourceList> sources;  // [[sources]]; null: none
  std::string public_url;   // of the dashboard, for links in messages; may be empty
  std::vector<Rule> rules;  // of the file itself, then of the files of rules_dir, by file name
  std::filesystem::path rules_dir;  // *.toml with [[rule]]; empty: none
  std::vector<TopicTree::Group> topic_groups;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kAuto;
  std::uint32_t deadline_ms = 50;  // what the dashboard measures the P99 against
  bool demo = false;               // posts are made up (serve --demo); not of the file

  std::filesystem::path models() const;  // the folder that the models are taken from
  // The folder of engine files: as configured, or in the data folder.
  std::filesystem::path engines() const;
  BackendOptions backend_options() const;
};

// Reads a TOML file over the defaults. Errors (kInvalidArgument, kNotFound) name file, line and
// key and say what is allowed; an unknown key is an error, so that a typing mistake is seen.
Result<Config> read_config(const std::filesystem::path& file);
// The same from text; `name` is used in messages.
Result<Config> parse_config(std::string_view toml, const std::string& name);
// Reads volume_thresholds, burst_thresholds and negative_threshold from a file of their own.
Status read_thresholds_file(const std::filesystem::path& file, DetectOptions& detect);

// The folder of the bundled models: share/tidewatch/models beside the program's bin folder.
std::filesystem::path bundled_models_dir();

}  // namespace tidewatch
