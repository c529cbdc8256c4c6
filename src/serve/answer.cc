// SPDX-License-Identifier: Apache-2.0
#include "serve/answer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>

#include "observe/json_text.h"

namespace tidewatch {

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

int http_status(Code code) noexcept {
  switch (code) {
    case Code::kOk:
      return 200;
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return 400;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
    case Code::kFailedPrecondition:
    case Code::kAborted:
      return 409;
    case Code::kResourceExhausted:
      return 429;
    case Code::kUnimplemented:
      return 501;
    case Code::kUnavailable:
    case Code::kCancelled:
      return 503;
    case Code::kDeadlineExceeded:
      return 504;
    case Code::kUnknown:
    case Code::kInternal:
    case Code::kDataLoss:
      return 500;
  }
  return 500;
}

Answer problem(int status, Code code, std::string_view detail, std::string_view members) {
  Answer answer;
  answer.status = status;
  answer.content_type = kProblemType;
  answer.body = R"({"type":"about:blank","title":)";
  append_json_string(answer.body, reason_phrase(status));
  answer.body += fmt::format(R"(,"status":{},"detail":)", status);
  append_json_string(answer.body, detail);
  answer.body += R"(,"code":)";
  append_json_string(answer.body, code_name(code));
  if (!members.empty()) {
    answer.body += ',';
    answer.body += members;
  }
  answer.body += '}';
  return answer;
}

Answer problem(const Error& error) {
  Answer answer = problem(http_status(error.code), error.code, error.message);
  if (answer.status == 429 || answer.status == 503) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(error.retry_after).count();
    answer.headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1)));
  }
  return answer;
}

void as_report(std::string_view format, Answer& answer) {
  answer.headers.emplace_back("Cache-Control", "no-store");
  if (format == "csv") {
    answer.content_type = "text/csv; charset=utf-8";
    answer.headers.emplace_back("Content-Disposition", "attachment; filename=\"tidewatch.csv\"");
  } else if (format == "html") {
    answer.content_type = "text/html; charset=utf-8";
    answer.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-popups");
  }
}

Answer as_inference_error(Answer answer) {
  simdjson::dom::parser parser;
  std::string_view detail;
  if (parser.parse(answer.body)["detail"].get_string().get(detail) != simdjson::SUCCESS) {
    detail = reason_phrase(answer.status);
  }
  std::string body = R"({"error":)";
  append_json_string(body, detail);
  answer.body = body + '}';
  answer.content_type = kJsonType;
  return answer;
}

Answer json_answer(Result<std::string> document) {
  if (!document) return problem(document.error());
  Answer answer;
  answer.body = *std::move(document);
  return answer;
}

std::string summary_members(const IngestSummary& summary) {
  std::string out = fmt::format(R"("accepted":{},"rejected":{},"duplicates":{},"errors":[)",
                                summary.accepted, summary.rejected, summary.duplicates);
  const std::size_t shown = std::min(summary.errors.size(), kLineErrorsMax);
  for (std::size_t i = 0; i < shown; ++i) {
    const LineError& error = summary.errors[i];
    out += fmt::format(R"({}{{"line":{},"field":)", i == 0 ? "" : ",", error.line);
    append_json_string(out, error.field);
    out += R"(,"reason":)";
    append_json_string(out, error.reason);
    out += '}';
  }
  out += fmt::format(R"(],"errors_omitted":{})",
                     summary.errors_omitted + (summary.errors.size() - shown));
  if (summary.unprocessed_from_line > 0) {
    out += fmt::format(R"(,"unprocessed_from_line":{})", summary.unprocessed_from_line);
  }
  return out;
}

Answer ingest_answer(const IngestSummary& summary, unsigned retry_after_seconds) {
  const std::string members = summary_members(summary);
  if (summary.stopped) {
    // What a session itself calls invalid is too long: other faults are errors of a line.
    const Code code = summary.stopped->code;
    const bool too_large = code == Code::kInvalidArgument || code == Code::kOutOfRange;
    const int status = too_large ? 413 : http_status(code);
    Answer answer = problem(status, code, summary.stopped->message, members);
    if (status == 429 || status == 503) {
      answer.headers.emplace_back("Retry-After", std::to_string(retry_after_seconds));
    }
    return answer;
  }
  if (summary.rejected > 0 && summary.accepted == 0 && summary.duplicates == 0) {
    return problem(400, Code::kInvalidArgument,
                   fmt::format("none of the {} lines was accepted; see errors", summary.rejected),
                   members);
  }
  Answer answer;
  answer.body = '{' + members + '}';
  return answer;
}

unsigned retry_after_seconds(std::size_t load, std::uint64_t random) noexcept {
  const std::uint64_t spread = std::min<std::uint64_t>(9, load / 4);
  return static_cast<unsigned>(1 + random % (1 + spread));
}

std::string render_head(const Answer& answer, std::string_view date, bool keep_alive) {
  std::string head;
  head.reserve(512);
  const auto header = [&head](std::string_view name, std::string_view value) {
    head += name;
    head += ": ";
    head += value;
    head += "\r\n";
  };
  head += fmt::format("HTTP/1.1 {} {}\r\n", answer.status, reason_phrase(answer.status));
  header("Date", date);
  if (answer.status != 204 && answer.status != 304) {
    header("Content-Type", answer.content_type);
    if (!answer.streamed) header("Content-Length", std::to_string(answer.bytes().size()));
  }
  bool cache_control = false;
  for (const auto& [name, value] : answer.headers) {
    header(name, value);
    cache_control = cache_control || name == "Cache-Control";
  }
  if (!cache_control) header("Cache-Control", "no-store");
  header("X-Content-Type-Options", "nosniff");
  header("Referrer-Policy", "no-referrer");
  header("Content-Security-Policy",
         "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'");
  header("Connection", keep_alive ? "keep-alive" : "close");
  head += "\r\n";
  return head;
}

std::string http_date(std::int64_t unix_seconds) {
  using std::chrono::sys_seconds;
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
      clock.seconds().count());
}

}  // namespace tidewatch
