// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "app/bench/bench_cli.h"
#include "app/calibrate_alerts.h"
#include "app/commands.h"
#include "app/engine_options.h"
#include "app/first_steps.h"
#include "app/version.h"

namespace {

using namespace tidewatch;

void add_common(CLI::App& app, CommonOptions& options) {
  app.add_option("--config", options.config_file, "Configuration file (TOML)");
  app.add_option("--model", options.model,
                 "Model to classify with; 'auto': fast, and base where in doubt; 'none': nothing");
  app.add_option("--models-dir", options.models_dir, "Folder of models, instead of the bundled");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Tidewatch (观潮): watches the tide of public opinion", "tidewatch"};
  app.set_version_flag("--version", std::string{"tidewatch "} + version_text());
  app.require_subcommand(1);
  int status = 0;

  ServeOptions serve;
  CLI::App* serve_app =
      app.add_subcommand("serve", "Run the engine: ingest, API, dashboard and metrics on one port");
  add_common(*serve_app, serve.common);
  add_precision(*serve_app, serve.common);
  serve_app->add_option("--port", serve.port, "Port to listen on; 0: any free one (default 8000)");
  serve_app->add_option("--grpc-port", serve.grpc_port,
                        "Port for gRPC; 0: any free one (default 8001)");
  serve_app->add_flag("--no-grpc", serve.no_grpc, "Do not serve gRPC");
  serve_app->add_option("--bind", serve.bind, "Address to listen on (default 127.0.0.1)");
  serve_app->add_option("--data-dir", serve.data_dir,
                        "Folder for posts, counts and alerts (default ./tidewatch-data)");
  serve_app->add_flag("--demo", serve.demo, "Feed a simulated stream, looped, at present times");
  serve_app->add_option("--demo-rate", serve.demo_rate, "Posts a second of the demo stream")
      ->check(CLI::Range(0.1, 10'000.0));
  serve_app->callback([&] { status = run_serve(serve); });

  ReplayOptions replay;
  CLI::App* replay_app = app.add_subcommand(
      "replay", "Run the whole engine over NDJSON files in event time and print what it saw");
  add_common(*replay_app, replay.common);
  add_precision(*replay_app, replay.common);
  replay_app
      ->add_option("files", replay.files, "NDJSON files, plain, .gz or .zst; - is standard input")
      ->required();
  replay_app->add_option("--speed", replay.speed, "'max', or times real time such as '60x'");
  replay_app->add_option("--data-dir", replay.data_dir,
                         "Keep the store here (default: a temporary one, removed at the end)");
  replay_app->add_flag("--json", replay.json, "Print one JSON object");
  replay_app->callback([&] { status = run_replay(replay); });

  ClassifyOptions classify;
  CLI::App* classify_app =
      app.add_subcommand("classify", "Classify texts, one a line; prints one JSON object a line");
  add_common(*classify_app, classify.common);
  add_precision(*classify_app, classify.common);
  classify_app->add_option("file", classify.file, "Texts, one a line; - is standard input");
  classify_app->callback([&] { status = run_classify(classify); });

  EvaluateOptions evaluate;
  CLI::App* evaluate_app =
      app.add_subcommand("evaluate", "Compare a model's labels with those of label<TAB>text files");
  add_common(*evaluate_app, evaluate.common);
  add_precision(*evaluate_app, evaluate.common);
  evaluate_app->add_option("--task", evaluate.task, "Which labels: 'emotion' or 'topic'")
      ->required()
      ->check(CLI::IsMember({"emotion", "topic"}));
  evaluate_app
      ->add_option("files", evaluate.files,
                   "Files with a header line, plain, .gz or .zst; - is standard input")
      ->required();
  evaluate_app->add_option("--map", evaluate.map_file,
                           "Two columns, foreign and own label; other labels' rows are skipped");
  evaluate_app->add_option("--column", evaluate.column,
                           "Header name of the text (default: all after the first tab)");
  evaluate_app->add_option("--predictions", evaluate.predictions_file,
                           "Write each row's predicted label to this file, and into the JSON");
  evaluate_app
      ->add_option("--margin", evaluate.margin,
                   "For --model auto: the task's answers under this margin go to base")
      ->check(CLI::Range(0.0, 1.0));
  evaluate_app->add_option("--curve", evaluate.curve_file,
                           "For --model auto: write accuracy and share escalated at 21 margins");
  evaluate_app->add_flag("--intervals", evaluate.intervals,
                         "Print 95 % bootstrap intervals (always in the JSON)");
  evaluate_app->add_flag("--json", evaluate.json, "Print one JSON object");
  evaluate_app->callback([&] { status = run_evaluate(evaluate); });

  CalibrateOptions calibrate;
  CLI::App* calibrate_app = app.add_subcommand(
      "calibrate", "Make a model's INT8 scales from texts, and say what INT8 costs");
  add_common(*calibrate_app, calibrate.common);
  calibrate_app->add_option("--texts", calibrate.texts,
                            "Files to draw the set from: posts (.ndjson), .tsv with a header, or "
                            "texts one a line; plain, .gz or .zst; - is standard input");
  calibrate_app->add_flag("--from-store", calibrate.from_store,
                          "Draw the set from the engine's own posts");
  calibrate_app->add_option("--since", calibrate.since,
                            "How old those may be: hours, days or weeks (default 90d)");
  calibrate_app->add_option("--data-dir", calibrate.data_dir, "The engine's data folder");
  calibrate_app->add_option("--size", calibrate.size, "Texts drawn (default 2000)")
      ->check(CLI::Range(64, 20'000));
  calibrate_app->add_option("--seed", calibrate.seed, "The same seed draws the same set");
  calibrate_app->add_option("--method", calibrate.methods,
                            "Range methods to try: minmax, entropy, percentile-P (default: all)");
  calibrate_app->add_option("--evaluate", calibrate.evaluate,
                            "Judge by truth: emotion=FILE or topic=FILE of label<TAB>text");
  calibrate_app->add_option("--output", calibrate.output,
                            "Write a calibrated copy of the model into this folder");
  calibrate_app->add_option("--note", calibrate.note, "Words for where the texts come from");
  calibrate_app->add_flag("--exclude-slang", calibrate.exclude_slang,
                          "Draw no text with slang (an experiment)");
  calibrate_app->add_flag("--allow-drop", calibrate.allow_drop,
                          "Write it whatever it costs in macro-F1");
  calibrate_app->add_flag("--dry-run", calibrate.dry_run, "Measure, and write nothing");
  calibrate_app->add_flag("--json", calibrate.json, "Print one JSON object");
  calibrate_app->callback([&] { status = run_calibrate(calibrate); });

  CalibrateAlertsOptions alerts;
  CLI::App* alerts_app = app.add_subcommand(
      "calibrate-alerts", "Set the thresholds of alerts for a number of false alarms a day");
  alerts_app
      ->add_option("--background", alerts.background,
                   "Counts of posts without events of note, in bins of 5 minutes: a file or folder "
                   "of timestamp,value CSV")
      ->required();
  alerts_app
      ->add_option("--false-alarms", alerts.false_alarms_per_day,
                   "Wanted a day over all keys together (default 1)")
      ->check(CLI::Range(0.001, 1'000.0));
  alerts_app->add_option("--hashtags", alerts.hashtags, "Hashtag keys beside topics and regions")
      ->check(CLI::Range(0, 1'000'000));
  alerts_app
      ->add_option("--fit-share", alerts.fit_share,
                   "Share of the days to fit on; the others are judged (default 0.6)")
      ->check(CLI::Range(0.1, 0.9));
  alerts_app->add_option("--seed", alerts.seed, "The same seed gives the same thresholds");
  alerts_app->add_option("--output", alerts.output,
                         "File to write, for thresholds_file in [detect]");
  alerts_app->add_flag("--json", alerts.json, "Print one JSON object");
  alerts_app->callback([&] { status = run_calibrate_alerts(alerts); });

  BuildEngineOptions build;
  CLI::App* build_app = app.add_subcommand(
      "build-engine", "Make one file of a model, checked against FP32, for a hot swap");
  add_common(*build_app, build.common);
  build_app->get_option("--model")
      ->description("Model to build: a name, or an ONNX file")
      ->required();
  build_app->add_option("--output", build.output, "File to write, such as v2.engine")->required();
  build_app->add_option("--like", build.like, "Of an ONNX file: the model it is made to replace");
  build_app
      ->add_option("--backend", build.backend,
                   "'any': weights that every backend loads (default); 'openvino': compiled for "
                   "this machine; 'tensorrt': a plan for this machine's GPU")
      ->check(CLI::IsMember({"any", "openvino", "tensorrt"}));
  build_app
      ->add_option("--precision", build.precision,
                   "Compute in 'fp32' (default) or 'int8'; with TensorRT 'fp16' (default) or 'fp8'")
      ->check(CLI::IsMember({"fp32", "fp16", "int8", "fp8"}));
  build_app
      ->add_option("--tokens", build.tokens,
                   "TensorRT: ids of a full run, which kernels are chosen for (default 6144)")
      ->check(CLI::Range(512, 65'536));
  build_app
      ->add_option("--workspace-mb", build.workspace_mb,
                   "TensorRT: GPU memory that kernels may use while running (default 4096)")
      ->check(CLI::Range(64, 1 << 20));
  build_app
      ->add_option("--level", build.level, "TensorRT: the builder's effort, 0 to 5 (default 3)")
      ->check(CLI::Range(0, 5));
  build_app->add_option("--timing-cache", build.timing_cache,
                        "TensorRT: file that remembers kernel timings from build to build");
  build_app->add_option(
      "--layers", build.layers,
      "TensorRT: file for the report of what was fused, in which precision (JSON)");
  build_app->add_option("--calibration", build.calibration,
                        "Texts to make INT8's scales from (default: the model's own calibration)");
  build_app->add_option("--evaluate", build.evaluate,
                        "Judge by truth: emotion=FILE or topic=FILE of label<TAB>text");
  build_app->add_option("--engine-version", build.engine_version,
                        "Version it is known by (default: the output's name)");
  build_app->add_flag("--allow-drop", build.allow_drop, "Write it whatever it costs in macro-F1");
  build_app->add_flag("--json", build.json, "Print one JSON object");
  build_app->callback([&] { status = run_build_engine(build); });

  SwapCommandOptions swap;
  CLI::App* swap_app =
      app.add_subcommand("swap", "Put another engine in a model's place while the engine runs");
  swap_app->add_option("model", swap.model, "Model, such as fast or base")->required();
  swap_app->add_option("engine", swap.engine, "Name of a file in the engines folder");
  swap_app->add_option("--url", swap.url, "Where it runs (default http://127.0.0.1:8000)");
  swap_app->add_flag("--rollback", swap.rollback, "Return to the one before instead");
  swap_app->add_flag("--json", swap.json, "Print the answer as one JSON object");
  swap_app->callback([&] { status = run_swap(swap); });

  ImportOptions import;
  CLI::App* import_app = app.add_subcommand(
      "import", "Bring posts from a CSV file or an Excel workbook, with its columns mapped");
  add_common(*import_app, import.common);
  import_app->add_option("file", import.file, "CSV or .xlsx; - is CSV on standard input")
      ->required();
  import_app
      ->add_option("--map", import.map,
                   "Columns by name or #number: text=内容,time=发布时间; 'url=' takes none")
      ->delimiter(',');
  import_app->add_option("--encoding", import.encoding, "Of CSV (default auto)")
      ->check(CLI::IsMember({"auto", "utf-8", "gb18030"}));
  import_app->add_option("--utc-offset", import.utc_offset,
                         "Of times that name none (default +08:00)");
  import_app->add_option("--source", import.source, "Source of posts without one");
  CLI::Option* import_url = import_app->add_option(
      "--url", import.url, "The running engine (default http://127.0.0.1:8000)");
  import_app
      ->add_option("--data-dir", import.data_dir,
                   "Instead: the data folder of an engine that is not running")
      ->excludes(import_url);
  import_app->add_flag("--no-header", import.no_header, "The first row is a post");
  import_app->add_flag("--dry-run", import.dry_run, "Check every row, and import nothing");
  import_app->add_flag("--restart", import.restart,
                       "Begin anew instead of where an import of the same file ended");
  import_app->add_flag("--json", import.json, "Print one JSON object");
  import_app->callback([&] { status = run_import(import); });

  SimulateCommandOptions simulate;
  CLI::App* simulate_app = app.add_subcommand(
      "simulate", "Write a believable Chinese stream as NDJSON, with the truth beside it");
  simulate_app->add_option("--seed", simulate.seed, "The same seed gives the same stream");
  simulate_app->add_option("--minutes", simulate.minutes, "Length of the stream in event time")
      ->check(CLI::Range(1U, 60U * 24U * 366U));
  simulate_app->add_option("--rate", simulate.rate, "Posts a second of the background")
      ->check(CLI::Range(0.01, 1'000'000.0));
  simulate_app->add_option("--events", simulate.events_file,
                           "Planted events (TOML, see docs/simulate.md; default: the demo's)");
  simulate_app->add_option("--start", simulate.start, "Time of the first post, RFC 3339");
  simulate_app->add_option("--output", simulate.output, "File to write; - is standard output");
  simulate_app->add_option("--truth", simulate.truth_file, "File for the planted events as NDJSON");
  simulate_app->callback([&] { status = run_simulate(simulate); });

  ReportCommandOptions report;
  CLI::App* report_app = app.add_subcommand(
      "report", "Make a report of a period: one HTML page, and CSV or JSON of its figures");
  report_app->add_option("--config", report.common.config_file, "Configuration file (TOML)");
  report_app->add_option("--topic", report.topic,
                         "A topic, or a key such as finance@广东 or #高考# (default: everything)");
  report_app->add_option("--since", report.since, "Begin: 24h, 7d, or RFC 3339 (default 24h)");
  report_app->add_option("--until", report.until, "End, likewise (default: now)");
  report_app->add_option("--output", report.output, "HTML file to write; - is standard output");
  report_app->add_option("--csv", report.csv_dir, "Folder for the figures as CSV files");
  report_app->add_option("--json", report.json_file, "File for the figures as one JSON object");
  report_app->add_option("--data-dir", report.data_dir, "Data folder of an engine that is stopped");
  report_app->add_option("--url", report.url, "Running engine to ask instead");
  report_app->add_option("--lang", report.language, "'zh' (default) or 'en'")
      ->check(CLI::IsMember({"zh", "en"}));
  report_app->add_option("--time-zone", report.time_zone,
                         "For the times on the page (default +08:00)");
  report_app->callback([&] { status = run_report(report); });

  CLI::App* bench_app = app.add_subcommand("bench", "Benchmarks");
  bench_app->require_subcommand(1);
  BenchTokenizeOptions bench_tokenize;
  CLI::App* bench_tokenize_app = bench_app->add_subcommand("tokenize", "Speed of the tokenizer");
  add_common(*bench_tokenize_app, bench_tokenize.common);
  bench_tokenize_app->add_option("--file", bench_tokenize.file, "Texts, one a line");
  bench_tokenize_app->add_flag("--json", bench_tokenize.json, "Print one JSON object");
  bench_tokenize_app->callback([&] { status = run_bench_tokenize(bench_tokenize); });
  add_bench_commands(*bench_app, status);

  InitOptions init;
  CLI::App* init_app =
      app.add_subcommand("init", "Write a commented configuration with every option");
  init_app->add_option("--output", init.output,
                       "File to write (default tidewatch.toml); - prints it");
  init_app->add_flag("--force", init.force, "Write over a file that is there");
  init_app->callback([&] { status = run_init(init); });

  DoctorOptions doctor;
  CLI::App* doctor_app = app.add_subcommand(
      "doctor", "Check machine, disk, ports, models and configuration, and say what to do");
  add_common(*doctor_app, doctor.common);
  add_precision(*doctor_app, doctor.common);
  doctor_app->add_option("--data-dir", doctor.data_dir, "Data folder to check");
  doctor_app->add_flag("--json", doctor.json, "Print one JSON object");
  doctor_app->callback([&] { status = run_doctor(doctor); });

  std::string completion_of;
  CLI::App* completion_app = app.add_subcommand(
      "completion", "Print the completion of a shell, or the manual page ('man')");
  completion_app->add_option("shell", completion_of, "bash, zsh, fish, or man")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish", "man"}));
  completion_app->callback([&] {
    const std::string text = completion_of == "man" ? manual_page(app, version_text())
                                                    : completion_script(app, completion_of);
    std::fwrite(text.data(), 1, text.size(), stdout);
  });

  CommonOptions models;
  bool models_json = false;
  CLI::App* models_app = app.add_subcommand("models", "List the models and check their files");
  models_app->add_option("--models-dir", models.models_dir, "Folder of models");
  models_app->add_flag("--json", models_json, "Print one JSON object");
  models_app->callback([&] { status = run_models(models, models_json); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {  // start-up may throw (out of memory, a broken library)
    std::fprintf(stderr, "tidewatch: %s\n", e.what());
    return 1;
  }
  return status;
}
