// SPDX-License-Identifier: Apache-2.0
// How many posts a second pass through the HTTP front end alone: POST /v1/posts over the loopback
// into an engine that only counts lines. Server and clients share the machine.
//   http_server_bench [--connections 4] [--posts 100] [--seconds 5] [--io-threads 1]
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "observe/latency_histogram.h"
#include "observe/process_stats.h"
#include "serve/http_server.h"
#include "serve/testing/http_client.h"

namespace tidewatch {
namespace {

class CountingSession final : public IngestSession {
 public:
  bool feed(std::string_view bytes) override {
    lines_ += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    return true;
  }
  void finish(bool, std::function<void(IngestSummary)> done) override {
    IngestSummary summary;
    summary.accepted = lines_;
    done(std::move(summary));
  }

 private:
  std::uint64_t lines_ = 0;
};

class CountingEngine final : public Engine {
 public:
  std::unique_ptr<IngestSession> open_ingest(std::chrono::milliseconds) override {
    return std::make_unique<CountingSession>();
  }
  void ingest(PostBatch, std::function<void(PostBatchResult)> done) override { done({}); }
  void classify_json(std::string_view, RequestLimits,
                     std::function<void(Result<std::string>)> done) override {
    done(none());
  }
  Result<std::string> stats() override { return none(); }
  Result<std::string> trends(const Params&) override { return none(); }
  Result<std::string> series(const std::string&, const Params&) override { return none(); }
  Result<std::string> alerts(const Params&) override { return none(); }
  Result<std::string> alert(const std::string&) override { return none(); }
  Result<std::string> act_on_alert(AlertEvent, const std::string&, std::string_view) override {
    return none();
  }
  Result<std::string> outbox(const Params&) override { return none(); }
  Result<std::string> channels() override { return none(); }
  Result<std::string> retry_message(const std::string&) override { return none(); }
  Result<std::string> retry_channel(const std::string&) override { return none(); }
  Result<std::string> posts(const Params&) override { return none(); }
  Result<std::string> post(const std::string&) override { return none(); }
  Result<std::string> models() override { return none(); }
  void classify_async(ClassifyCall call,
                      std::function<void(Result<ClassifyResult>)> done) override {
    ClassifyResult result;
    result.model = call.model;
    result.scores.resize(call.texts.size());
    result.answered_by.resize(call.texts.size());
    done(std::move(result));
  }
  const LabelSchema& labels() const override { return labels_; }
  std::vector<ServedModel> served_models() override { return {}; }
  Status ready() override { return {}; }
  std::string metrics_text() override { return {}; }

 private:
  const LabelSchema labels_{};
  static Result<std::string> none() { return Error{Code::kUnimplemented, "only a benchmark"}; }
};

int run(int connections, int posts, int seconds, int io_threads) {
  // About 96 tokens a post, as in the reference load.
  std::string text;
  for (int i = 0; i < 96; ++i) text += "潮";
  std::string body;
  for (int i = 0; i < posts; ++i) {
    body += "{\"id\":\"" + std::to_string(i) + "\",\"time\":1795408109,\"author\":\"a" +
            std::to_string(i) + "\",\"region\":\"广东\",\"text\":\"" + text + "\"}\n";
  }

  CountingEngine engine;
  Metrics metrics;
  HttpOptions options;
  options.port = 0;
  options.io_threads = io_threads;
  auto server = HttpServer::start(options, engine, metrics, {});
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  LatencyHistogram latency;
  std::atomic<std::uint64_t> requests{0};
  std::atomic<int> failed{0};
  const double cpu_before = read_process_stats().cpu_seconds;
  const auto begin = std::chrono::steady_clock::now();
  const auto end = begin + std::chrono::seconds(seconds);
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < connections; ++c) {
      clients.emplace_back([&, port = (*server)->port()] {
        testing_support::HttpClient client(port);
        for (auto sent = begin; sent < end;) {
          sent = std::chrono::steady_clock::now();
          const auto answer = client.request("POST", "/v1/posts", body);
          if (answer.status != 200) {
            ++failed;
            return;
          }
          latency.record(std::chrono::steady_clock::now() - sent);
          ++requests;
        }
      });
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const double cpu = read_process_stats().cpu_seconds - cpu_before;
  const Percentiles p = latency.percentiles();
  utsname machine{};
  ::uname(&machine);
  std::printf("machine %s %s, %u cores\n", machine.sysname, machine.release,
              std::thread::hardware_concurrency());
  std::printf("%d connections, %d posts of %zu bytes a request, %d I/O threads, %d failed\n",
              connections, posts, body.size() / static_cast<std::size_t>(posts), io_threads,
              failed.load());
  std::printf("%.0f requests/s, %.0f posts/s, %.0f MB/s, %.2f CPU cores (clients included)\n",
              static_cast<double>(requests) / took.count(),
              static_cast<double>(requests) * posts / took.count(),
              static_cast<double>(requests) * static_cast<double>(body.size()) / took.count() / 1e6,
              cpu / took.count());
  std::printf("latency ms: p50 %.3f p95 %.3f p99 %.3f p999 %.3f max %.3f\n", p.p50, p.p95, p.p99,
              p.p999, p.max);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tidewatch

int main(int argc, char** argv) {
  int connections = 4;
  int posts = 100;
  int seconds = 5;
  int io_threads = 1;
  CLI::App app("posts a second through the HTTP front end alone");
  app.add_option("--connections", connections)->check(CLI::Range(1, 512));
  app.add_option("--posts", posts)->check(CLI::Range(1, 100'000));
  app.add_option("--seconds", seconds)->check(CLI::Range(1, 600));
  app.add_option("--io-threads", io_threads)->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);
  return tidewatch::run(connections, posts, seconds, io_threads);
}
