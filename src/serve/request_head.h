// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace tidewatch {

// What the server looks at in a request, copied out of the parser. Absent headers are empty.
struct RequestHead {
  std::string method;
  std::string target;
  std::string host;
  std::size_t host_count = 0;
  bool http_1_0 = false;
  bool keep_alive = false;
  bool expects_continue = false;
  bool unknown_expectation = false;
  bool unknown_transfer_coding = false;
  std::optional<std::uint64_t> content_length;
  std::string origin;
  std::string fetch_site;  // Sec-Fetch-Site
  std::string accept;
  std::string accept_encoding;
  std::string content_type;
  std::string content_encoding;
  std::string if_none_match;
  std::string last_event_id;
  std::string timeout_ms;           // X-Timeout-Ms
  std::string infer_header_length;  // Inference-Header-Content-Length
};

}  // namespace tidewatch
