// SPDX-License-Identifier: Apache-2.0
#include "app/bench/bench_options.h"

#include <fmt/format.h>

#include <charconv>

namespace tidewatch {
namespace {

Error wrong(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

}  // namespace

Result<BenchTarget> parse_bench_target(const std::string& url) {
  const Error error = wrong(fmt::format(
      "--target {}: write grpc://host:port, http://host:port or kserve://host:port/model", url));
  BenchTarget target;
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string::npos) return error;
  target.via = url.substr(0, scheme_end);
  std::string rest = url.substr(scheme_end + 3);
  const std::size_t slash = rest.find('/');
  if (slash != std::string::npos) {
    target.model = rest.substr(slash + 1);
    rest.resize(slash);
  }
  const bool kserve = target.via == "kserve";
  if (!kserve && target.via != "grpc" && target.via != "http") return error;
  if (kserve == target.model.empty()) return error;
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string::npos || colon == 0) return error;
  target.host = rest.substr(0, colon);
  if (target.host.starts_with('[') && target.host.ends_with(']')) {
    target.host = target.host.substr(1, target.host.size() - 2);
  }
  const char* const end = rest.data() + rest.size();
  const auto parsed = std::from_chars(rest.data() + colon + 1, end, target.port);
  if (parsed.ec != std::errc{} || parsed.ptr != end || target.port == 0) return error;
  return target;
}

Result<DuplicateMix> parse_duplicates(const std::string& text) {
  if (text == "real") return DuplicateMix::ced();
  const bool percent = text.ends_with('%');
  const char* const end = text.data() + text.size() - (percent ? 1 : 0);
  double share = 0;
  const auto parsed = std::from_chars(text.data(), end, share);
  if (percent) share /= 100;
  if (parsed.ec != std::errc{} || parsed.ptr != end || !(share >= 0) || share >= 1) {
    return wrong(fmt::format(
        "--duplicates {}: write 'real', a share from 0 to below 1, or a percentage such as 30%",
        text));
  }
  DuplicateMix mix;
  mix.repeat = share;
  return mix;
}

Status check_options(const BenchServeOptions& options) {
  TRY_ASSIGN(const DuplicateMix mix, parse_duplicates(options.duplicates));
  static_cast<void>(mix);
  std::string via = options.via;
  if (!options.target.empty()) {
    TRY_ASSIGN(const BenchTarget target, parse_bench_target(options.target));
    via = target.via;
    if (options.verify) {
      return wrong("--verify reads the store of an engine that bench starts: leave --target out");
    }
    if (!options.data_dir.empty() || options.no_cache) {
      return wrong(
          "--data-dir and --no-cache are for an engine that bench starts; give them to "
          "the server of --target instead");
    }
  } else if (options.pid != 0) {
    return wrong("--pid names the server of --target: give both");
  }
  if (!options.trace_file.empty() && (options.sweep || !options.overload.empty())) {
    return wrong("--trace has its own rate: leave --sweep and --overload out");
  }
  if (!options.trace_file.empty() && options.tokens > 0) {
    return wrong("--trace has its own texts: leave --tokens out");
  }
  if (options.verify && (options.path != "ingest" || options.bare)) {
    return wrong(
        "--verify looks stored posts up by their ids: it needs --path ingest and no --bare");
  }
  if (options.verify && (options.sweep || !options.overload.empty())) {
    return wrong("--verify goes with a run at one --rate: leave --sweep and --overload out");
  }
  if (options.swaps > 0 && options.swap_engines.size() != 2) {
    return wrong("--swaps needs the names of two engines: --swap-engines a.engine,b.engine");
  }
  if (options.swaps > 0 && !options.target.empty() && options.swap_url.empty()) {
    return wrong("--swaps with --target needs --swap-url http://host:port for POST /swap-engine");
  }
  if (options.swaps > 0 && (options.sweep || !options.overload.empty())) {
    return wrong("--swaps goes with a run at one --rate: leave --sweep and --overload out");
  }
  if (!options.swap_url.empty()) {
    TRY_ASSIGN(const BenchTarget target, parse_bench_target(options.swap_url));
    if (target.via != "http") return wrong("--swap-url must be http://host:port");
  }
  return {};
}

}  // namespace tidewatch
