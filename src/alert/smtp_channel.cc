// SPDX-License-Identifier: Apache-2.0
#include "alert/smtp_channel.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <utility>

#include "alert/http_post.h"
#include "alert/mail_text.h"
#include "alert/report_message.h"
#include "alert/signature.h"
#include "core/mutex.h"

namespace tidewatch {
namespace {

void init_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* thing) const {
    Free(thing);
  }
};
using Easy = std::unique_ptr<CURL, Freed<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Freed<curl_multi_cleanup>>;
using List = std::unique_ptr<curl_slist, Freed<curl_slist_free_all>>;

// The rest of the message that libcurl has not taken yet.
std::size_t give(char* to, std::size_t size, std::size_t count, void* self) {
  auto& left = *static_cast<std::string_view*>(self);
  const std::size_t bytes = std::min(size * count, left.size());
  std::memcpy(to, left.data(), bytes);
  left.remove_prefix(bytes);
  return bytes;
}

// Remembers the server's last reply line, to be quoted.
std::size_t hear(char* from, std::size_t size, std::size_t count, void* self) {
  const std::string_view line(from, size * count);
  if (line.size() > 3) *static_cast<std::string*>(self) = quoted_answer(line);
  return size * count;
}

constexpr std::size_t kPageBytesMax = 8U << 20;

// The page of a report, to be attached; nothing when it is gone or too long for a mail.
MailAttachment page_of(std::string_view body) {
  const auto report = report_message_from_json(body);
  if (!report || report->file.empty()) return {};
  std::ifstream in(report->file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in || text.view().size() > kPageBytesMax) return {};
  return {std::filesystem::path(report->file).filename().string(), "text/html; charset=utf-8",
          text.str()};
}

std::uint16_t port_of(const SmtpOptions& options) {
  if (options.port != 0) return options.port;
  if (options.security == MailSecurity::kTls) return 465;
  return options.security == MailSecurity::kStartTls ? 587 : 25;
}

}  // namespace

class SmtpChannel::Impl {
 public:
  Impl(SmtpOptions options, const Clock& clock)
      : options_(std::move(options)),
        clock_(clock),
        label_("email " + options_.host + ":" + std::to_string(port_of(options_))) {}

  const std::string& name() const { return options_.name; }

  Status send(const OutboxMessage& message) {
    TRY_ASSIGN(const MessageText text,
               outbox_text(message.body, options_.language, options_.time_zone));
    MailHead head;
    head.from = options_.from;
    head.to = options_.to;
    head.subject = text.headline;
    // Of the dedupe key, so that a mail told twice is seen to be the same.
    head.message_id = lower_hex(hmac_sha256("tidewatch", message.dedupe_key)).substr(0, 32) + "@" +
                      mail_address(options_.from).substr(mail_address(options_.from).find('@') + 1);
    head.date = clock_.wall_now();
    return transfer(mail_message(head, plain_text(text), page_of(message.body)));
  }

  void stop() {
    const MutexLock lock(mu_);
    stopped_ = true;
    if (running_ != nullptr) curl_multi_wakeup(running_);
  }

 private:
  Status transfer(const std::string& mail) {
    const Easy easy(curl_easy_init());
    const Multi multi(curl_multi_init());
    if (!easy || !multi) return Error{Code::kInternal, label_ + ": libcurl cannot be used"};
    std::string_view left = mail;
    std::string reply;
    std::array<char, CURL_ERROR_SIZE> words{};
    curl_slist* recipients = nullptr;
    for (const std::string& to : options_.to) {
      recipients = curl_slist_append(recipients, mail_address(to).c_str());
    }
    const List owned(recipients);
    set_up(easy.get(), recipients, left, reply, words.data());
    {
      const MutexLock lock(mu_);
      if (stopped_) return cancelled();
      running_ = multi.get();
    }
    const CURLcode result = run(multi.get(), easy.get());
    bool stopped = false;
    {
      const MutexLock lock(mu_);
      running_ = nullptr;
      stopped = stopped_;
    }
    long code = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &code);
    curl_multi_remove_handle(multi.get(), easy.get());
    if (result == CURLE_OK) return {};
    if (stopped) return cancelled();
    return judge(result, code, words.data(), reply);
  }

  void set_up(CURL* easy, curl_slist* recipients, std::string_view& left, std::string& reply,
              char* words) const {
    const bool tls = options_.security == MailSecurity::kTls;
    const std::string url = std::string(tls ? "smtps" : "smtp") + "://" + options_.host + ":" +
                            std::to_string(port_of(options_));
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_USE_SSL,
                     static_cast<long>(options_.security == MailSecurity::kNone ? CURLUSESSL_NONE
                                                                                : CURLUSESSL_ALL));
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!options_.ca_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    }
    if (!options_.user.empty()) {
      curl_easy_setopt(easy, CURLOPT_USERNAME, options_.user.c_str());
      curl_easy_setopt(easy, CURLOPT_PASSWORD, options_.password.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail_address(options_.from).c_str());
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(easy, CURLOPT_READDATA, &left);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, hear);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &reply);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
  }

  // The multi interface, because stop() can wake it.
  CURLcode run(CURLM* multi, CURL* easy) {
    curl_multi_add_handle(multi, easy);
    int running = 1;
    while (running > 0) {
      if (curl_multi_perform(multi, &running) != CURLM_OK) return CURLE_FAILED_INIT;
      if (running == 0) break;
      if (curl_multi_poll(multi, nullptr, 0, 1'000, nullptr) != CURLM_OK) return CURLE_FAILED_INIT;
      const MutexLock lock(mu_);
      if (stopped_) return CURLE_ABORTED_BY_CALLBACK;
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    return CURLE_FAILED_INIT;
  }

  Status judge(CURLcode result, long code, const char* words, const std::string& reply) const {
    std::string message =
        label_ + ": " + (*words != '\0' ? std::string(words) : curl_easy_strerror(result));
    if (code >= 400 && !reply.empty()) message += " (the server said: " + reply + ")";
    if (result == CURLE_OPERATION_TIMEDOUT) {
      return Error{Code::kDeadlineExceeded, std::move(message)};
    }
    if (code / 100 == 4) return Error{Code::kUnavailable, std::move(message)};
    if (result == CURLE_LOGIN_DENIED) {
      return Error{Code::kPermissionDenied, message + "; check user and password"};
    }
    if (result == CURLE_USE_SSL_FAILED) {
      return Error{
          Code::kFailedPrecondition,
          message + "; the server has no STARTTLS: use security = \"tls\" or another port"};
    }
    if (code / 100 == 5) return Error{Code::kInvalidArgument, std::move(message)};
    return Error{Code::kUnavailable, std::move(message)};
  }

  Error cancelled() const { return Error{Code::kCancelled, label_ + ": stopped"}; }

  const SmtpOptions options_;
  const Clock& clock_;
  const std::string label_;
  Mutex mu_;
  bool stopped_ GUARDED_BY(mu_) = false;
  CURLM* running_ GUARDED_BY(mu_) = nullptr;
};

SmtpChannel::SmtpChannel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SmtpChannel::~SmtpChannel() = default;

Result<std::unique_ptr<SmtpChannel>> SmtpChannel::create(SmtpOptions options, const Clock& clock) {
  const auto wrong = [&](const std::string& what) {
    return Error{Code::kInvalidArgument, "email '" + options.name + "': " + what};
  };
  if (options.host.empty() || options.host.find_first_of("/@: \r\n") != std::string::npos) {
    return wrong("host must be a name or an IPv4 address, without port or scheme");
  }
  if (mail_address(options.from).empty()) return wrong("from is not an e-mail address");
  if (options.to.empty()) return wrong("to names nobody");
  for (const std::string& to : options.to) {
    if (mail_address(to).empty()) return wrong("to: '" + to + "' is not an e-mail address");
  }
  for (const std::string& mailbox : options.to) {
    if (mailbox.find_first_of("\r\n") != std::string::npos) return wrong("to holds a line break");
  }
  if (options.from.find_first_of("\r\n") != std::string::npos) {
    return wrong("from holds a line break");
  }
  if (!options.user.empty() && options.security == MailSecurity::kNone) {
    return wrong("a password is not sent without TLS; use security = \"starttls\" or \"tls\"");
  }
  init_curl();
  return std::unique_ptr<SmtpChannel>(
      new SmtpChannel(std::make_unique<Impl>(std::move(options), clock)));
}

std::string_view SmtpChannel::name() const { return impl_->name(); }
Status SmtpChannel::send(const OutboxMessage& message) { return impl_->send(message); }
void SmtpChannel::stop() { impl_->stop(); }

}  // namespace tidewatch
