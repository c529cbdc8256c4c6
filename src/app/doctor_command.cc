// SPDX-License-Identifier: Apache-2.0
// init and doctor: the first steps of a new user.
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "alert/time_zone.h"
#include "app/cli_support.h"
#include "app/config_option.h"
#include "app/engine_client.h"
#include "app/first_steps.h"
#include "app/open_files.h"
#include "app/version.h"
#include "infer/cascade.h"
#include "infer/manifest.h"
#include "infer/model_registry.h"
#include "infer/tensorrt/library.h"
#include "store/data_dir.h"

namespace tidewatch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

enum class Level : std::uint8_t { kOk, kNote, kWarning, kProblem };
constexpr const char* kLevels[] = {"ok", "note", "warning", "problem"};

struct Finding {
  std::string what;
  Level level = Level::kOk;
  std::string found;
  std::string remedy;  // empty: nothing to do
};

constexpr std::uint64_t kMiB = 1U << 20;

class Doctor {
 public:
  explicit Doctor(const DoctorOptions& options) : options_(options) {}

  std::vector<Finding> run() {
    machine();
    clock();
    const auto config = resolve_config(options_.common);
    if (!config) {
      add("config", Level::kProblem, config.error().message,
          "mend that line; `tidewatch init` writes a valid file");
      return std::move(findings_);
    }
    config_ = *config;
    if (!options_.data_dir.empty()) config_.store.dir = options_.data_dir;
    if (config_.store.dir.empty()) config_.store.dir = "tidewatch-data";
    const std::string& file = options_.common.config_file;
    add("config", Level::kOk, file.empty() ? "the defaults" : file + " is valid");
    files();
    disk();
    ports();
    models();
    gpu();
    backend();
    return std::move(findings_);
  }

 private:
  void add(std::string what, Level level, std::string found, std::string remedy = {}) {
    findings_.push_back({std::move(what), level, std::move(found), std::move(remedy)});
  }

  void machine() {
    const bool avx2 = __builtin_cpu_supports("avx2") != 0;
    const bool vnni = __builtin_cpu_supports("avx512vnni") != 0;
    const std::string cores = fmt::format("{} cores", std::thread::hardware_concurrency());
    if (!avx2) {
      add("cpu", Level::kWarning, cores + ", no AVX2",
          "it runs, several times slower: prefer a processor of 2014 or newer");
    } else if (!vnni) {
      add("cpu", Level::kNote, cores + ", AVX2, no AVX-512 VNNI",
          "INT8 pays little here: keep precision = \"fp32\"");
    } else {
      add("cpu", Level::kOk, cores + ", AVX2, AVX-512 VNNI");
    }
    std::ifstream in("/proc/meminfo");
    std::uint64_t available = 0;
    for (std::string name, rest; in >> name;) {
      if (name == "MemAvailable:") {
        in >> available;
        break;
      }
      std::getline(in, rest);
    }
    const std::uint64_t mib = available / 1024;
    add("memory", mib < 1'024 ? Level::kWarning : Level::kOk, fmt::format("{} MiB free", mib),
        mib < 1'024
            ? "an engine under load takes about 1 GiB: free some, or lower model.cache_bytes_max"
            : "");
  }

  void clock() {
    const auto now = std::chrono::system_clock::now();
    timex state{};
    const int kind = ::adjtimex(&state);
    if (now < std::chrono::sys_days{std::chrono::year{2025} / 1 / 1}) {
      add("clock", Level::kProblem, "it says " + to_text(now),
          "set it: posts without a time get this one");
    } else if (kind < 0 || (state.status & STA_UNSYNC) != 0) {
      add("clock", Level::kNote, to_text(now) + ", not known to be synchronised",
          "run an NTP client (chrony, systemd-timesyncd)");
    } else {
      add("clock", Level::kOk, to_text(now) + ", synchronised");
    }
    const auto zone = TimeZone::parse("Asia/Shanghai");
    if (!zone) add("time zones", Level::kWarning, zone.error().message, "apt-get install tzdata");
  }
  static std::string to_text(std::chrono::system_clock::time_point time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    return text;
  }

  void files() {
    const OpenFileLimit limit = open_file_limit();
    const std::uint64_t wanted = open_files_wanted(config_);
    const bool few = limit.most < wanted;
    const std::string now =
        limit.now < limit.most ? fmt::format(" ({} until the engine raises it)", limit.now) : "";
    add("open files", few ? Level::kWarning : Level::kOk,
        fmt::format("{} allowed{}", limit.most, now),
        few ? fmt::format("the store and {0} connections may need {1}: raise the hard limit "
                          "(ulimit -Hn {1}, or LimitNOFILE={1} of systemd)",
                          config_.http.connections_max, wanted)
            : "");
  }

  void disk() {
    const fs::path& dir = config_.store.dir;
    std::error_code error;
    fs::path there = fs::absolute(dir, error);
    while (!fs::exists(there, error) && there.has_parent_path() && there != there.parent_path()) {
      there = there.parent_path();
    }
    if (::access(there.c_str(), W_OK | X_OK) != 0) {
      add("data folder", Level::kProblem, there.string() + " cannot be written",
          "choose another with --data-dir, or make it writable");
      return;
    }
    struct statvfs space{};
    ::statvfs(there.c_str(), &space);
    const std::uint64_t free_mib = space.f_bavail * space.f_frsize / kMiB;
    const Level level = free_mib < 256     ? Level::kProblem
                        : free_mib < 5'120 ? Level::kWarning
                                           : Level::kOk;
    add("disk space", level, fmt::format("{} MiB free for {}", free_mib, dir.string()),
        level == Level::kOk
            ? ""
            : fmt::format("the store takes up to {} MiB: free some, or lower data.bytes_max",
                          config_.store.bytes_max / kMiB));
    fsync_works(there);
    if (!fs::exists(dir / "lock", error)) return;
    const auto claimed = DataDir::claim(dir);
    add("data folder", claimed ? Level::kOk : Level::kNote,
        claimed ? dir.string() + " is there, nobody has it open" : claimed.error().message,
        claimed ? "" : "one engine at a time: stop that one, or choose another --data-dir");
  }

  void fsync_works(const fs::path& folder) {
    const std::string file = (folder / fmt::format(".tidewatch-doctor-{}", ::getpid())).string();
    const int fd = ::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    const auto begin = std::chrono::steady_clock::now();
    const bool good = fd >= 0 && ::write(fd, "x", 1) == 1 && ::fsync(fd) == 0;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    const std::string why = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    ::unlink(file.c_str());
    if (!good) {
      add("fsync", Level::kProblem, folder.string() + ": " + why,
          "no post can be acknowledged there: choose another disk");
    } else {
      add("fsync", took.count() > 30 ? Level::kWarning : Level::kOk,
          fmt::format("{:.1f} ms", took.count()),
          took.count() > 30 ? "acknowledgements wait for the disk: prefer an SSD" : "");
    }
  }

  // 0: free; else errno.
  static int try_port(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
      return EADDRNOTAVAIL;
    const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const int error = ::bind(fd, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
    ::close(fd);
    ::freeaddrinfo(found);
    return error;
  }

  void ports() {
    port("port", config_.http.port, "--port");
    if (config_.grpc.enabled) port("gRPC port", config_.grpc.port, "--grpc-port");
  }
  void port(const char* what, std::uint16_t number, const char* option) {
    if (number == 0) return add(what, Level::kOk, "any free one");
    const std::string& host = config_.http.bind;
    const int error = try_port(host, number);
    const std::string name = fmt::format("{}:{}", host, number);
    if (error == 0) return add(what, Level::kOk, name + " is free");
    if (error == EADDRINUSE && is_tidewatch(host, number)) {
      return add(what, Level::kNote, name + ": a Tidewatch answers there already",
                 fmt::format("for a second one: {} N", option));
    }
    add(what, Level::kProblem, fmt::format("{}: {}", name, std::strerror(error)),
        fmt::format("choose another with {} N (0: any free one), or mend server.bind", option));
  }
  static bool is_tidewatch(const std::string& host, std::uint16_t number) {
    const auto url = parse_engine_url(fmt::format("http://{}:{}", host, number));
    if (!url) return false;
    const auto answer = get_from_engine(*url, "/healthz");
    return answer && answer->status == 200 &&
           answer->body.find("\"status\":\"ok\"") != std::string::npos;
  }

  std::vector<std::string> wanted_models() const {
    const std::string& name = config_.inference.model;
    if (name == "none") return {};
    if (name == kCascadeName) return {std::string(kCascadeFirst), std::string(kCascadeSecond)};
    return {name};
  }

  void models() {
    const fs::path dir = config_.models();
    const auto wanted = wanted_models();
    for (const std::string& name : ModelRegistry(dir).available()) {
      const bool needed = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
      const auto manifest = read_manifest(dir / name);
      const Status checked = manifest ? verify_manifest_files(*manifest) : Status{manifest.error()};
      add("model " + name,
          checked  ? Level::kOk
          : needed ? Level::kProblem
                   : Level::kWarning,
          checked ? fmt::format("{}, files as their digests say{}", manifest->version,
                                needed ? "" : " (not configured)")
                  : checked.error().message,
          checked ? "" : "build or install again; the models lie in " + dir.string());
    }
    if (wanted.empty())
      add("model", Level::kNote, "none is configured: posts are not classified",
          "model.name = \"fast\"");
  }

  void gpu() {
    const bool wanted = config_.inference.backend == BackendKind::kTensorRt;
    const auto library = tensorrt::open_library();
    if (library) return add("GPU", Level::kOk, "TensorRT is there");
    add("GPU", wanted ? Level::kWarning : Level::kNote, library.error().message,
        wanted ? "it serves on the CPU until then; docs/gpu.md"
               : "not needed: the CPU classifies; docs/gpu.md");
  }

  // Loads what is configured, as the engine will.
  void backend() {
    const auto wanted = wanted_models();
    BackendOptions options = config_.backend_options();
    for (const std::string& name : wanted) {
      const auto model = ModelRegistry(config_.models(), options).load(name);
      if (model) {
        add("backend", Level::kOk,
            fmt::format("{} runs on {} in {}", name, (*model)->backend->name(),
                        (*model)->backend->precision()));
      } else {
        add("backend", Level::kProblem, model.error().message,
            "choose another model.name, model.backend or model.precision");
      }
    }
  }

  const DoctorOptions& options_;
  Config config_;
  std::vector<Finding> findings_;
};

void print_lines(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    fmt::print("{:<8} {:<12} {}\n", kLevels[static_cast<int>(finding.level)], finding.what,
               finding.found);
    if (!finding.remedy.empty()) fmt::print("{:<21} -> {}\n", "", finding.remedy);
  }
}

}  // namespace

int run_doctor(const DoctorOptions& options) {
  const std::vector<Finding> findings = Doctor(options).run();
  std::size_t problems = 0;
  for (const Finding& finding : findings) problems += finding.level == Level::kProblem ? 1 : 0;
  if (options.json) {
    Json list = Json::array();
    for (const Finding& finding : findings) {
      list.push_back({{"what", finding.what},
                      {"level", kLevels[static_cast<int>(finding.level)]},
                      {"found", finding.found},
                      {"remedy", finding.remedy.empty() ? Json() : Json(finding.remedy)}});
    }
    const Json json{
        {"version", version_text()}, {"can_run", problems == 0}, {"checks", std::move(list)}};
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    print_lines(findings);
    fmt::print("{}\n", problems == 0 ? "Tidewatch can run here."
                                     : fmt::format("{} problem{} to solve first.", problems,
                                                   problems == 1 ? "" : "s"));
  }
  return problems == 0 ? 0 : 1;
}

int run_init(const InitOptions& options) {
  const std::string text = config_template();
  if (options.output == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const int fd = ::open(options.output.c_str(),
                        O_WRONLY | O_CREAT | O_CLOEXEC | (options.force ? O_TRUNC : O_EXCL), 0600);
  if (fd < 0) {
    return fail(
        {Code::kUnavailable,
         errno == EEXIST
             ? options.output + ": is there already; --force writes over it, --output names another"
             : options.output + ": " + std::strerror(errno)});
  }
  const bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (::close(fd) != 0 || !good)
    return fail(
        {Code::kUnavailable, options.output + ": cannot be written whole; is the disk full?"});
  fmt::print("wrote {0}; next: tidewatch doctor --config {0}, then tidewatch serve --config {0}\n",
             options.output);
  return 0;
}

}  // namespace tidewatch
