// SPDX-License-Identifier: Apache-2.0
#include "alert/mail_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "alert/signature.h"

namespace tidewatch {
namespace {

constexpr std::size_t kWordBytesMax = 45;  // 60 in base64; 75 is the limit with =?UTF-8?B? and ?=
constexpr std::size_t kLineBytes = 57;     // 76 in base64

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// "Wed, 25 Nov 2026 09:30:00 +0000"
std::string date_text(EventTime time) {
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - day)};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d +0000",
                kDays[std::chrono::weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

}  // namespace

std::string encode_subject(std::string_view subject) {
  std::string out;
  while (!subject.empty()) {
    std::size_t size = std::min(subject.size(), kWordBytesMax);
    while (size > 0 && size < subject.size() && is_continuation(subject[size])) --size;
    if (size == 0) size = std::min(subject.size(), kWordBytesMax);  // not UTF-8
    if (!out.empty()) out += "\r\n ";
    out += "=?UTF-8?B?" + base64(subject.substr(0, size)) + "?=";
    subject.remove_prefix(size);
  }
  return out;
}

std::string mail_address(std::string_view mailbox) {
  const std::size_t open = mailbox.rfind('<');
  if (open != std::string_view::npos) {
    const std::size_t close = mailbox.find('>', open);
    if (close == std::string_view::npos) return {};
    mailbox = mailbox.substr(open + 1, close - open - 1);
  }
  const std::size_t at = mailbox.find('@');
  const bool plain = mailbox.find_first_of(" \t\r\n<>,;\"") == std::string_view::npos;
  if (at == 0 || at == std::string_view::npos || at + 1 == mailbox.size() || !plain) return {};
  return std::string(mailbox);
}

namespace {

void append_base64(std::string& out, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += kLineBytes) {
    out += base64(bytes.substr(at, kLineBytes)) + "\r\n";
  }
}

constexpr std::string_view kTextHead =
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";

// A name that cannot end its quotes: letters, digits, '.', '-', '_'.
std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '.' || c == '-' || c == '_';
    out += plain ? c : '_';
  }
  return out;
}

}  // namespace

std::string mail_message(const MailHead& head, std::string_view body,
                         const MailAttachment& attachment) {
  std::string to;
  for (const std::string& mailbox : head.to) to += (to.empty() ? "" : ",\r\n ") + mailbox;
  std::string out = "From: " + head.from + "\r\nTo: " + to + "\r\n";
  out += "Subject: " + encode_subject(head.subject) + "\r\n";
  out += "Date: " + date_text(head.date) + "\r\n";
  out += "Message-ID: <" + head.message_id + ">\r\n";
  out += "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n";
  if (attachment.name.empty()) {
    out += kTextHead;
    append_base64(out, body);
    return out;
  }
  // Base64 has no "=_", so that no part can hold the boundary.
  constexpr std::string_view kBoundary = "=_tidewatch_part";
  out += "Content-Type: multipart/mixed; boundary=\"" + std::string(kBoundary) + "\"\r\n\r\n";
  out += "--" + std::string(kBoundary) + "\r\n" + std::string(kTextHead);
  append_base64(out, body);
  out += "--" + std::string(kBoundary) + "\r\nContent-Type: " + attachment.type +
         "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"" +
         plain_name(attachment.name) + "\"\r\n\r\n";
  append_base64(out, attachment.bytes);
  return out + "--" + std::string(kBoundary) + "--\r\n";
}

}  // namespace tidewatch
