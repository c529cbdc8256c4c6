// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alert/channel.h"
#include "alert/message_text.h"
#include "alert/time_zone.h"
#include "core/clock.h"

namespace tidewatch {

enum class MailSecurity : std::uint8_t { kStartTls, kTls, kNone };

struct SmtpOptions {
  std::string name;
  std::string host;
  std::uint16_t port = 0;  // 0: 587 with STARTTLS, 465 with TLS, 25 without
  MailSecurity security = MailSecurity::kStartTls;  // without TLS a password is refused
  std::string user;                                 // empty: no AUTH
  std::string password;                             // never logged
  std::string from;                                 // mailbox: "a@b" or "Name <a@b>"
  std::vector<std::string> to;
  std::string ca_file;  // PEM; empty: the system's certificates
  std::chrono::milliseconds timeout{20'000};
  MessageLanguage language = MessageLanguage::kChinese;
  TimeZone time_zone;
};

// Sends each message as one e-mail over SMTP (libcurl: EHLO, STARTTLS, AUTH, dot-stuffing). Every
// recipient must be taken: one that is refused fails the message. Repetitions carry the same
// Message-ID. The server's certificate and name are checked.
//
// Errors of send, by the server's reply: 4xx and no connection kUnavailable; 5xx
// kInvalidArgument (kPermissionDenied for a refused login), with the reply's first words.
// Threads: as Channel says. Ownership: the clock must outlive the channel.
class SmtpChannel final : public Channel {
 public:
  // kInvalidArgument: an option cannot be used; the message says which.
  static Result<std::unique_ptr<SmtpChannel>> create(SmtpOptions options, const Clock& clock);
  ~SmtpChannel() override;

  std::string_view name() const override;
  std::string_view kind() const override { return "email"; }
  std::vector<RateLimit> limits() const override { return {{30, std::chrono::minutes{1}}}; }
  Status send(const OutboxMessage& message) override;
  void stop() override;

 private:
  class Impl;
  explicit SmtpChannel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch
