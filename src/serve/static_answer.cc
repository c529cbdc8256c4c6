// SPDX-License-Identifier: Apache-2.0
#include "serve/static_answer.h"

#include <cstddef>
#include <string>

namespace tidewatch {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Calls `each(element)` for the elements of a comma-separated list until it returns true.
template <typename F>
bool any_element(std::string_view list, F&& each) {
  while (true) {
    const std::size_t comma = list.find(',');
    if (each(trim(list.substr(0, comma)))) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

bool equal_ignoring_case(std::string_view a, std::string_view lower_case) {
  if (a.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower_case[i]) return false;
  }
  return true;
}

// The name of a list's element ("gzip" of "gzip;q=0.5"); empty when its weight is zero.
std::string_view wanted_name(std::string_view element) {
  const std::size_t semicolon = element.find(';');
  const std::string_view name = trim(element.substr(0, semicolon));
  if (semicolon == std::string_view::npos) return name;
  std::string_view weight = trim(element.substr(semicolon + 1));
  if (!weight.starts_with("q=") && !weight.starts_with("Q=")) return name;
  weight.remove_prefix(2);
  const bool zero = weight.find_first_not_of("0.") == std::string_view::npos;
  return zero ? std::string_view() : name;
}

// If-None-Match compares weakly (RFC 9110, 13.1.2).
bool matches(std::string_view if_none_match, std::string_view etag) {
  if (if_none_match.empty()) return false;
  return any_element(if_none_match, [&](std::string_view element) {
    if (element.starts_with("W/")) element.remove_prefix(2);
    return element == "*" || element == etag;
  });
}

Answer no_dashboard() {
  Answer answer;
  answer.status = 404;
  answer.content_type = "text/plain; charset=utf-8";
  answer.constant_body =
      "Tidewatch is running, but the dashboard is not part of this build "
      "(it was configured with TIDEWATCH_DASHBOARD=OFF).\n"
      "The API is here: GET /openapi.json describes it, GET /v1/stats shows it at work.\n";
  return answer;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) noexcept {
  bool refused = false;
  const bool named = any_element(accept_encoding, [&](std::string_view element) {
    const std::string_view name = wanted_name(element);
    refused = refused || (name.empty() && element.starts_with("gzip"));
    return equal_ignoring_case(name, "gzip");
  });
  if (named || refused) return named;
  return any_element(accept_encoding,
                     [](std::string_view element) { return wanted_name(element) == "*"; });
}

bool accepts_event_stream(std::string_view accept) noexcept {
  if (trim(accept).empty()) return true;
  return any_element(accept, [](std::string_view element) {
    const std::string_view name = wanted_name(element);
    return name == "*/*" || equal_ignoring_case(name, "text/*") ||
           equal_ignoring_case(name, "text/event-stream");
  });
}

Answer static_answer(const StaticFiles& files, const Target& target,
                     std::string_view accept_encoding, std::string_view if_none_match) {
  std::string path;
  for (const std::string& segment : target.segments) path += '/' + segment;
  const bool root = path.empty() || path == "/";
  if (files.empty() && root) return no_dashboard();

  const StaticFile* file = files.find(root ? "/index.html" : path);
  const bool page_address =
      !target.segments.empty() && target.segments.back().find('.') == std::string::npos;
  if (file == nullptr && page_address && !is_api_path(target)) file = files.find("/index.html");
  if (file == nullptr) {
    return problem(404, Code::kNotFound,
                   "there is nothing at this path; GET /openapi.json lists what there is");
  }

  Answer answer;
  const bool gzip = !file->gzip.empty() && accepts_gzip(accept_encoding);
  std::string etag(file->etag);
  if (gzip && etag.size() > 1) etag.insert(etag.size() - 1, "-gzip");
  const bool hashed = file->path.starts_with("/assets/");
  answer.headers.emplace_back("Cache-Control",
                              hashed ? "public, max-age=31536000, immutable" : "no-cache");
  answer.headers.emplace_back("Vary", "Accept-Encoding");
  if (matches(if_none_match, etag)) {
    answer.status = 304;
  } else {
    answer.content_type = file->content_type;
    answer.constant_body = gzip ? file->gzip : file->bytes;
    if (gzip) answer.headers.emplace_back("Content-Encoding", "gzip");
  }
  answer.headers.emplace_back("ETag", std::move(etag));
  return answer;
}

}  // namespace tidewatch
