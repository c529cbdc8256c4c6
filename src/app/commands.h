// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidewatch {

// What the commands share. Each run_… returns the process's exit status: 0 well, 1 failed (the
// reason is on standard error). Wrong usage is 2 and never gets here.

struct CommonOptions {
  std::string config_file;  // empty: the defaults
  std::string model;        // empty: as configured
  std::string models_dir;
  std::string precision;  // empty: as configured; else "auto", "fp32" or "int8"
  std::string backend;    // empty: as configured; else "auto", "native", "openvino", "tensorrt"
  std::string engines_dir;
};

struct ServeOptions {
  CommonOptions common;
  std::optional<std::uint16_t> port;
  std::optional<std::uint16_t> grpc_port;
  bool no_grpc = false;
  std::string bind;
  std::string data_dir;
  bool demo = false;
  double demo_rate = 40;  // posts a second
};
int run_serve(const ServeOptions& options);

struct ReplayOptions {
  CommonOptions common;
  std::vector<std::string> files;
  std::string speed = "max";  // "60x" or "max"
  std::string data_dir;       // empty: a fresh temporary store
  bool json = false;
};
int run_replay(const ReplayOptions& options);

struct ClassifyOptions {
  CommonOptions common;
  std::string file = "-";
};
int run_classify(const ClassifyOptions& options);

struct EvaluateOptions {
  CommonOptions common;
  std::string task;  // "emotion" or "topic"
  std::vector<std::string> files;
  std::string map_file;          // foreign<TAB>ours; empty: labels are the model's own
  std::string column;            // header name of the text; empty: all after the first tab
  std::string predictions_file;  // empty: none
  std::optional<double> margin;  // of the task, for the model 'auto'; nothing: as configured
  std::string curve_file;        // share escalated against accuracy; empty: none
  bool json = false;
  bool intervals = false;  // in the text; JSON has them always
};
int run_evaluate(const EvaluateOptions& options);

struct CalibrateOptions {
  CommonOptions common;
  std::vector<std::string> texts;  // files to draw the set from
  bool from_store = false;         // draw it from the engine's own posts
  std::string since = "90d";       // of those, how old at most
  std::string data_dir;            // empty: as configured
  std::size_t size = 2'000;        // texts drawn
  std::uint64_t seed = 1;
  std::vector<std::string> methods;   // range methods to try; empty: all
  std::vector<std::string> evaluate;  // "emotion=FILE", "topic=FILE"
  std::string output;                 // folder of a calibrated copy; empty: the model's own
  std::string note;                   // words for the set's source; empty: made up
  bool exclude_slang = false;
  bool allow_drop = false;
  bool dry_run = false;  // write nothing
  bool json = false;
};
int run_calibrate(const CalibrateOptions& options);

struct BuildEngineOptions {
  CommonOptions common;   // model: a name, or an ONNX file; precision is the next but one
  std::string like;       // of an ONNX file: the model it is made to replace
  std::string precision;  // empty: fp16 for TensorRT, else fp32
  std::string output;
  std::string backend = "any";  // "openvino", "tensorrt": compiled for this machine
  // TensorRT alone.
  std::size_t tokens = 6'144;  // ids of a full run
  std::size_t workspace_mb = 4'096;
  int level = 3;                         // the builder's effort, 0 to 5
  std::string timing_cache;              // file; empty: none
  std::string layers;                    // file for the layer report; empty: none
  std::vector<std::string> calibration;  // texts
  std::vector<std::string> evaluate;     // "emotion=FILE", "topic=FILE"
  std::string engine_version;            // empty: the output's name without .engine
  bool allow_drop = false;
  bool json = false;
};
int run_build_engine(const BuildEngineOptions& options);

struct SwapCommandOptions {
  std::string model;
  std::string engine;
  std::string url = "http://127.0.0.1:8000";
  bool rollback = false;
  bool json = false;
};
int run_swap(const SwapCommandOptions& options);

struct ImportOptions {
  CommonOptions common;
  std::string file;              // CSV or .xlsx; "-": CSV on standard input
  std::vector<std::string> map;  // MEMBER=COLUMN
  std::string encoding = "auto";
  std::string utc_offset = "+08:00";  // of times that name none
  std::string source;                 // of posts without one
  std::string url = "http://127.0.0.1:8000";
  std::string data_dir;  // instead of the url: the folder of an engine that is not running
  bool no_header = false;
  bool dry_run = false;
  bool restart = false;  // do not go on where an import of the same file ended
  bool json = false;
};
int run_import(const ImportOptions& options);

struct SimulateCommandOptions {
  std::uint64_t seed = 1;
  std::uint32_t minutes = 10;
  double rate = 50;
  std::string events_file;  // empty: the bundled demo events
  std::string start;        // RFC 3339; empty: the simulator's own
  std::string output = "-";
  std::string truth_file;  // empty: no truth
};
int run_simulate(const SimulateCommandOptions& options);

struct BenchTokenizeOptions {
  CommonOptions common;
  std::string file;  // texts, one a line; empty: made from the simulator
  bool json = false;
};
int run_bench_tokenize(const BenchTokenizeOptions& options);

struct ReportCommandOptions {
  CommonOptions common;
  std::string topic;
  std::string since = "24h";
  std::string until;  // empty: now
  std::string output;
  std::string csv_dir;
  std::string json_file;
  std::string data_dir;
  std::string url;  // of a running engine; empty: the data folder is read
  std::string language = "zh";
  std::string time_zone = "+08:00";
};
int run_report(const ReportCommandOptions& options);

int run_models(const CommonOptions& options, bool json);

}  // namespace tidewatch
