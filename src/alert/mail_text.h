// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"

namespace tidewatch {

struct MailHead {
  std::string from;  // "desk@example.org" or "Desk <desk@example.org>"
  std::vector<std::string> to;
  std::string subject;
  std::string message_id;  // without brackets; the same for every repetition
  EventTime date{};
};

struct MailAttachment {
  std::string name;  // of the file, ASCII; empty: there is none
  std::string type;  // text/html; charset=utf-8
  std::string bytes;
};

// One message of RFC 5322: encoded subject (RFC 2047), text/plain in UTF-8 as base64, CRLF; with an
// attachment multipart/mixed (RFC 2046). Nothing in subject, body or attachment can add a header.
std::string mail_message(const MailHead& head, std::string_view body,
                         const MailAttachment& attachment = {});

// The address alone: "Desk <desk@example.org>" gives desk@example.org. Empty: it is none.
std::string mail_address(std::string_view mailbox);

// The lines of a subject's encoded words, each at most 75 bytes, folded with CRLF and a blank.
std::string encode_subject(std::string_view subject);

}  // namespace tidewatch
