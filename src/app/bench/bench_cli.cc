// SPDX-License-Identifier: Apache-2.0
#include "app/bench/bench_cli.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "app/bench/bench_options.h"
#include "app/bench/detect_bench.h"
#include "app/bench/nab_bench.h"
#include "app/bench/store_bench.h"
#include "app/engine_options.h"

namespace tidewatch {
namespace {

void add_engine(CLI::App& app, CommonOptions& options) {
  app.add_option("--config", options.config_file, "Configuration file (TOML) of the engine");
  app.add_option("--model", options.model, "Model to serve, as in `serve`");
  app.add_option("--models-dir", options.models_dir, "Folder of models, instead of the bundled");
  add_precision(app, options);
}

void add_load(CLI::App& app, BenchServeOptions& options) {
  app.add_option("--rate", options.rate, "Posts a second on average (default 8000)")
      ->check(CLI::Range(1.0, 1e6));
  app.add_option("--seconds", options.seconds, "Length of the measured run (default 60)")
      ->check(CLI::Range(0.5, 86'400.0));
  app.add_option("--warmup-seconds", options.warmup_seconds,
                 "Load before that, not counted (default 3)")
      ->check(CLI::Range(0.0, 3'600.0));
  app.add_option("--duplicates", options.duplicates,
                 "'real' (as in CED: 40 % empty, 15 % repeats; the default), or the share of posts "
                 "that repeat an earlier text; 0: none");
  app.add_option("--tokens", options.tokens, "Every text has so many ids (default: the mix)")
      ->check(CLI::Range(15, 512));
  app.add_option("--deadline-ms", options.deadline_ms, "Answered by then is good (default 50)")
      ->check(CLI::Range(1U, 60'000U));
  app.add_option("--trace", options.trace_file, "Play a file of seconds<TAB>text instead");
  app.add_option("--seed", options.seed, "The same seed gives the same posts at the same times");
}

void add_way(CLI::App& app, BenchServeOptions& options) {
  app.add_option("--via", options.via, "'grpc' (default), 'http' or 'inprocess'")
      ->check(CLI::IsMember({"inprocess", "grpc", "http"}));
  app.add_option("--path", options.path,
                 "'ingest' (default): until acknowledged on disk; 'classify': until labelled")
      ->check(CLI::IsMember({"ingest", "classify"}));
  app.add_option("--target", options.target,
                 "Drive a running server: grpc://host:port, http://host:port or "
                 "kserve://host:port/model (default: an engine in this process)");
  app.add_option("--pid", options.pid, "Process of that server, to count its CPU and memory too")
      ->check(CLI::PositiveNumber);
  app.add_option("--connections", options.connections,
                 "Streams or connections (default: 4 over gRPC, 64 over HTTP)")
      ->check(CLI::Range(1, 4'096));
  app.add_option("--bundle-ms", options.bundle_ms,
                 "Posts due within so long share a message; their waiting counts (default 1)")
      ->check(CLI::Range(0.0, 1'000.0));
  app.add_option("--bundle-posts", options.bundle_posts, "Most posts of a message (default 1024)")
      ->check(CLI::Range(1, 1'024));
  app.add_option("--kserve-batch", options.kserve_batch,
                 "Most texts of a request to kserve:// (default 1)")
      ->check(CLI::Range(1, 1'024));
  app.add_flag("--no-deadline", options.no_deadline,
               "Measure against the deadline without telling the server");
  app.add_flag("--bare", options.bare, "Posts of text alone: no id, author and region");
}

void add_programme(CLI::App& app, BenchServeOptions& options) {
  app.add_flag("--sweep", options.sweep,
               "Find the highest rate with P99 within the deadline and at most 0.1 % missed");
  app.add_option("--step-seconds", options.step_seconds, "Length of a try of --sweep (default 8)")
      ->check(CLI::Range(1.0, 600.0));
  app.add_option("--overload", options.overload,
                 "Run at these multiples of the peak (of --sweep, else of --rate): 1,2,5")
      ->delimiter(',')
      ->check(CLI::Range(0.1, 100.0));
  app.add_option("--recovery-seconds", options.recovery_seconds,
                 "Half load after each of those, to see it recover (default 5)")
      ->check(CLI::Range(1.0, 600.0));
  app.add_option("--swaps", options.swaps, "Swap the engine so often, evenly over the run")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--swap-engines", options.swap_engines, "The two engines to swap between")
      ->delimiter(',');
  app.add_option("--swap-url", options.swap_url, "Where POST /swap-engine goes (with --target)");
}

void add_rest(CLI::App& app, BenchServeOptions& options) {
  app.add_flag("--no-cache", options.no_cache, "Without the result cache");
  app.add_option("--data-dir", options.data_dir,
                 "Keep the engine's data here (default: a temporary folder, removed at the end)");
  app.add_flag("--verify", options.verify,
               "At the end look every acknowledged post up in the store");
  app.add_option("--samples", options.samples_file,
                 "Write memory, file handles and disk once a second to this CSV file");
  app.add_flag("--json", options.json, "Print one JSON object");
}

void add_detect(CLI::App& bench, int& status) {
  const auto detect = std::make_shared<BenchDetectOptions>();
  CLI::App* app = bench.add_subcommand(
      "detect", "How early events are seen, and how often nothing is taken for one");
  app->add_option("--background", detect->background,
                  "Counts of posts in bins of 5 minutes: a file or folder of timestamp,value CSV "
                  "(default: made up)");
  app->add_option(
      "--events", detect->events,
      "Growth of events: name<TAB>seconds of its posts, a line each (default: made up)");
  app->add_option("--confusion", detect->confusion,
                  "A model's metrics.json, or 'true' for true labels (default: the bundled model)");
  app->add_option("--seed", detect->seed, "The same seed gives the same figures");
  app->add_option("--days", detect->days, "Length of a made-up background (default 55)")
      ->check(CLI::Range(3, 1'000));
  app->add_option("--hashtags", detect->hashtags,
                  "Hashtag keys beside those of topics and regions (default 9744: 10,000 keys)")
      ->check(CLI::Range(0, 1'000'000));
  app->add_option("--passes", detect->passes,
                  "Passes over the held-out days with planted events (default 6)")
      ->check(CLI::Range(1, 1'000));
  app->add_option("--scale", detect->scale, "Multiplies the background's counts (default 1)")
      ->check(CLI::Range(0.001, 1'000.0));
  app->add_option("--steps", detect->step_days,
                  "Instead: a jump from 1 to 3 posts/s of one key among 10,000, with false alarms "
                  "from so many days of all of them (about a minute each, twice)")
      ->check(CLI::Range(0.01, 365.0));
  app->add_option("--dispersion", detect->dispersion,
                  "For --steps: variance over mean of the counts of a second (default 1)")
      ->check(CLI::Range(1.0, 20.0));
  app->add_option("--floods", detect->floods,
                  "Instead: so many copy-paste floods and half as many crowds, with texts, through "
                  "all stages but the classifier")
      ->check(CLI::Range(1, 10'000));
  app->add_option("--texts", detect->texts,
                  "For --floods: background posts, one JSON object a line, which are put in any "
                  "order (default: made up)");
  app->add_option("--text-rate", detect->text_rate,
                  "For --floods: background posts a second (default 2)")
      ->check(CLI::Range(0.1, 1'000.0));
  app->add_option("--text-days", detect->text_days,
                  "For --floods: days of background before them, for false alarms (default 7)")
      ->check(CLI::Range(0.01, 365.0));
  app->add_flag("--engine-only", detect->engine_only,
                "Without the five methods it is compared with");
  app->add_option("--picture", detect->picture,
                  "Write delay against false alarms to this SVG file");
  app->add_flag("--json", detect->json, "Print one JSON object");
  app->callback([detect, &status] { status = run_bench_detect(*detect); });
}

void add_store(CLI::App& bench, int& status) {
  const auto store = std::make_shared<BenchStoreOptions>();
  CLI::App* app =
      bench.add_subcommand("store", "Searches over a large store while posts are written to it");
  app->add_option("--posts", store->posts, "Made-up posts in the store (default 1000000)")
      ->check(CLI::Range(10'000ULL, 1'000'000'000ULL));
  app->add_option("--data-dir", store->data_dir,
                  "Keep the store here, and go on with what is there (default: a temporary folder, "
                  "removed at the end)");
  app->add_option("--rate", store->rate, "Posts a second while it measures (default 2000)")
      ->check(CLI::Range(1.0, 1e6));
  app->add_option("--searches", store->searches,
                  "Searches a second, all kinds in turn (default 10)")
      ->check(CLI::Range(0.1, 10'000.0));
  app->add_option("--seconds", store->seconds,
                  "Length of ingest alone and of ingest with searches, each (default 60)")
      ->check(CLI::Range(1.0, 86'400.0));
  app->add_option("--rounds", store->rounds, "So often both, in turn (default 2)")
      ->check(CLI::Range(1, 100));
  app->add_option("--seed", store->seed, "The same seed makes the same posts");
  app->add_flag("--control", store->control,
                "Each round also beside threads that only compute, as long as the searches did");
  app->add_flag("--build-only", store->build_only, "Fill the store and end");
  app->add_flag("--json", store->json, "Print one JSON object");
  app->callback([store, &status] { status = run_bench_store(*store); });
}

}  // namespace

void add_bench_commands(CLI::App& bench, int& status) {
  const auto serve = std::make_shared<BenchServeOptions>();
  CLI::App* serve_app =
      bench.add_subcommand("serve", "Open-loop load against the engine: goodput and latency");
  add_engine(*serve_app, serve->common);
  add_load(*serve_app, *serve);
  add_way(*serve_app, *serve);
  add_programme(*serve_app, *serve);
  add_rest(*serve_app, *serve);
  serve_app->callback([serve, &status] { status = run_bench_serve(*serve); });

  const auto infer = std::make_shared<BenchInferOptions>();
  CLI::App* infer_app =
      bench.add_subcommand("infer", "Offline throughput of the model on the same texts");
  add_engine(*infer_app, infer->common);
  infer_app->add_option("--seconds", infer->seconds, "Length of the measurement (default 10)")
      ->check(CLI::Range(0.2, 3'600.0));
  infer_app
      ->add_option("--batch", infer->batches,
                   "Texts a run; of several (1,64,256) the best (default: of eight from 1 to 256)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1'024));
  infer_app->add_option("--tokens", infer->tokens, "Every text has so many ids (default: the mix)")
      ->check(CLI::Range(3, 512));
  infer_app->add_flag("--padded", infer->padded,
                      "TensorRT: no packing; a text a row, as wide as the longest of its batch");
  infer_app->add_option("--lanes", infer->lanes, "TensorRT: runs on the GPU at once (default 2)")
      ->check(CLI::Range(1, 8));
  infer_app->add_option("--with", infer->with, "A second model, run at the same time");
  infer_app->add_option(
      "--plain", infer->plain,
      "Plain TensorRT instead: the ONNX file by its own parser in FP16, one profile, "
      "every batch padded to its longest; the plan is kept in this FILE");
  infer_app->add_option("--seed", infer->seed, "The same seed gives the same texts");
  infer_app->add_flag("--json", infer->json, "Print one JSON object");
  infer_app->callback([infer, &status] { status = run_bench_infer(*infer); });
  add_detect(bench, status);
  add_store(bench, status);

  const auto nab = std::make_shared<BenchNabOptions>();
  CLI::App* nab_app = bench.add_subcommand(
      "nab", "The detector's score in the Numenta Anomaly Benchmark, on its tweet series");
  nab_app->add_option("--data", nab->data, "Folder with realTweets/*.csv and windows.json")
      ->required();
  nab_app->add_flag("--json", nab->json, "Print one JSON object");
  nab_app->callback([nab, &status] { status = run_bench_nab(*nab); });
}

}  // namespace tidewatch
