// SPDX-License-Identifier: Apache-2.0
#include "alert/webhook_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "alert/alert.h"
#include "alert/memory_outbox.h"
#include "alert/outbox_sender.h"
#include "alert/webhook_url.h"
#include "core/mutex.h"

namespace tidewatch {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
using net::ip::tcp;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

struct Certificate {
  std::string certificate_pem;
  std::string key_pem;
};

std::string from_bio(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// Self-signed, for the address 127.0.0.1 or for another name.
Certificate make_certificate(const char* subject_alt_name) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x509 = X509_new();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  X509_set_pubkey(x509, key);
  X509_NAME* name = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(x509, name);
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, subject_alt_name);
  X509_add_ext(x509, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(x509, key, EVP_sha256());
  Certificate made;
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, x509);
  made.certificate_pem = from_bio(bio);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  made.key_pem = from_bio(bio);
  X509_free(x509);
  EVP_PKEY_free(key);
  return made;
}

// A stand-in receiver on a port the system picks: one thread, one connection at a time. `answer`
// makes the bytes sent back; empty: say nothing and keep the connection open until the client goes.
class Receiver {
 public:
  using Answer = std::function<std::string(const Request&)>;

  explicit Receiver(Answer answer, const Certificate* certificate = nullptr)
      : answer_(std::move(answer)), acceptor_(io_, {net::ip::make_address("127.0.0.1"), 0}) {
    if (certificate != nullptr) {
      tls_.emplace(net::ssl::context::tls_server);
      tls_->use_certificate(net::buffer(certificate->certificate_pem), net::ssl::context::pem);
      tls_->use_private_key(net::buffer(certificate->key_pem), net::ssl::context::pem);
    }
    port_ = acceptor_.local_endpoint().port();
    thread_ = std::jthread([this] { serve(); });
  }
  ~Receiver() {
    stopping_ = true;
    tcp::socket socket(io_);  // wakes accept
    const auto error = socket.connect({net::ip::make_address("127.0.0.1"), port_}, error_);
    EXPECT_FALSE(error) << error.message();
  }

  std::string url(const std::string& path = "/hook?token=SECRET") const {
    return std::string(tls_ ? "https" : "http") + "://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<Request> requests() const {
    MutexLock lock(mu_);
    return requests_;
  }

 private:
  void serve() {
    for (;;) {
      beast::error_code error;
      tcp::socket socket(io_);
      if (acceptor_.accept(socket, error) || stopping_) return;
      if (tls_) {
        net::ssl::stream<tcp::socket> stream(std::move(socket), *tls_);
        if (!stream.handshake(net::ssl::stream_base::server, error)) talk(stream);
      } else {
        talk(socket);
      }
    }
  }
  template <typename Stream>
  void talk(Stream& stream) {
    beast::error_code error;
    beast::flat_buffer buffer;
    Request request;
    http::read(stream, buffer, request, error);
    if (error) return;
    {
      MutexLock lock(mu_);
      requests_.push_back(request);
    }
    const std::string answer = answer_(request);
    if (answer.empty()) {
      char byte = 0;
      net::read(stream, net::buffer(&byte, 1), error);  // until the client goes
      return;
    }
    net::write(stream, net::buffer(answer), error);
  }

  const Answer answer_;
  beast::error_code error_;
  net::io_context io_;
  tcp::acceptor acceptor_;
  std::optional<net::ssl::context> tls_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable Mutex mu_;
  std::vector<Request> requests_ GUARDED_BY(mu_);
  std::jthread thread_;
};

std::string plain(unsigned status, const std::string& body = "", const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

Receiver::Answer always(unsigned status, const std::string& body = "") {
  return [=](const Request&) { return plain(status, body); };
}

class WebhookTest : public ::testing::Test {
 protected:
  std::unique_ptr<WebhookChannel> channel(WebhookOptions options) {
    auto made = WebhookChannel::create(std::move(options), clock_);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return made.ok() ? *std::move(made) : nullptr;
  }
  std::unique_ptr<WebhookChannel> channel(const Receiver& receiver) {
    WebhookOptions options;
    options.url = receiver.url();
    return channel(options);
  }
  static OutboxMessage message(const std::string& key = "al_1:opened:5:webhook") {
    Alert alert;
    alert.id = "al_0123456789abcdef";
    alert.title = "财经:讨论量升至 3 倍";
    alert.evidence = {"a", "b", "c"};
    OutboxMessage made;
    made.dedupe_key = key;
    made.channel = "webhook";
    made.body = to_json(alert, AlertEvent::kOpened);
    return made;
  }

  ManualClock clock_{EventTime{std::chrono::seconds{1'700'000'000}}};
};

TEST_F(WebhookTest, PostsTheMessage) {
  Receiver receiver(always(200));
  ASSERT_TRUE(channel(receiver)->send(message()).ok());
  const auto requests = receiver.requests();
  ASSERT_THAT(requests, SizeIs(1));
  const Request& request = requests[0];
  EXPECT_EQ(request.method(), http::verb::post);
  EXPECT_EQ(request.version(), 11U);
  EXPECT_EQ(request.target(), "/hook?token=SECRET");
  EXPECT_EQ(request[http::field::content_type], "application/json");
  EXPECT_EQ(request["Idempotency-Key"], "al_1:opened:5:webhook");
  EXPECT_EQ(request.count("X-Tidewatch-Signature"), 0U);
  EXPECT_EQ("http://" + std::string(request[http::field::host]) + "/hook?token=SECRET",
            receiver.url());
  EXPECT_EQ(request.body(), message().body);
  EXPECT_TRUE(alert_from_json(request.body()).ok());
}

TEST_F(WebhookTest, SignsWithTheSecret) {
  Receiver receiver(always(204));
  WebhookOptions options;
  options.url = receiver.url();
  options.secret = "s3cret";
  ASSERT_TRUE(channel(options)->send(message()).ok());
  const auto requests = receiver.requests();
  ASSERT_THAT(requests, SizeIs(1));
  const std::string header(requests[0]["X-Tidewatch-Signature"]);
  // As a receiver checks it.
  const std::string prefix = "t=1700000000,v1=";
  ASSERT_EQ(header.substr(0, prefix.size()), prefix);
  const std::string content = "1700000000." + std::string(requests[0].body());
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), "s3cret", 6, reinterpret_cast<const unsigned char*>(content.data()),
       content.size(), digest, &size);
  std::string wanted;
  for (unsigned int i = 0; i < size; ++i) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", digest[i]);
    wanted += hex;
  }
  EXPECT_EQ(header.substr(prefix.size()), wanted);
}

TEST_F(WebhookTest, SignatureMatchesARecordedOne) {
  // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
  EXPECT_EQ(webhook_signature("key", 1'700'000'000, "{}"),
            "t=1700000000,v1="
            "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae");
}

TEST_F(WebhookTest, JudgesTheAnswer) {
  const struct {
    unsigned status;
    Code code;
  } cases[] = {
      {200, Code::kOk},
      {202, Code::kOk},
      {301, Code::kInvalidArgument},
      {400, Code::kInvalidArgument},
      {404, Code::kInvalidArgument},
      {408, Code::kUnavailable},
      {429, Code::kResourceExhausted},
      {500, Code::kUnavailable},
      {503, Code::kUnavailable},
  };
  for (const auto& c : cases) {
    Receiver receiver(always(c.status, "why\nnot"));
    const Status sent = channel(receiver)->send(message());
    EXPECT_EQ(sent.ok() ? Code::kOk : sent.error().code, c.code) << c.status;
    if (sent.ok()) continue;
    EXPECT_THAT(sent.error().message, HasSubstr(std::to_string(c.status)));
    EXPECT_THAT(sent.error().message, HasSubstr("why not"));
    EXPECT_THAT(sent.error().message, Not(HasSubstr("SECRET"))) << "a token must not be logged";
  }
}

TEST_F(WebhookTest, WaitsForTheFinalAnswerAfterInterimOnes) {
  Receiver receiver([](const Request&) { return "HTTP/1.1 103 X\r\n\r\n" + plain(500); });
  EXPECT_EQ(channel(receiver)->send(message()).error().code, Code::kUnavailable);
}

TEST_F(WebhookTest, StrangeAnswersAreBounded) {
  const std::string big(1 << 20, 'x');
  const struct {
    const char* name;
    std::string answer;
    bool delivered;
  } cases[] = {
      {"2xx with a huge body", plain(200, big), true},
      {"4xx with a huge body", plain(400, big), false},
      {"huge header", "HTTP/1.1 200 X\r\nA: " + big + "\r\n\r\n", false},
      {"not HTTP", "SSH-2.0-x\r\n\r\n", false},
      {"cut off", "HTTP/1.1 20", false},
  };
  for (const auto& c : cases) {
    std::string answer = c.answer;
    Receiver receiver([answer](const Request&) { return answer; });
    WebhookOptions options;
    options.url = receiver.url();
    EXPECT_EQ(channel(options)->send(message()).ok(), c.delivered) << c.name;
  }
}

TEST_F(WebhookTest, TimesOut) {
  Receiver receiver([](const Request&) { return std::string{}; });
  WebhookOptions options;
  options.url = receiver.url();
  options.timeout = std::chrono::milliseconds{50};
  const Status sent = channel(options)->send(message());
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code, Code::kDeadlineExceeded);
}

TEST_F(WebhookTest, ConnectionRefused) {
  std::string url;
  {
    net::io_context io;
    const tcp::acceptor acceptor(io, {net::ip::make_address("127.0.0.1"), 0});
    url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + "/";
  }
  WebhookOptions options;
  options.url = url;
  const Status sent = channel(options)->send(message());
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code, Code::kUnavailable);
}

TEST_F(WebhookTest, RefusesATooLargeBody) {
  Receiver receiver(always(200));
  WebhookOptions options;
  options.url = receiver.url();
  options.body_bytes_max = 10;
  EXPECT_EQ(channel(options)->send(message()).error().code, Code::kInvalidArgument);
  EXPECT_THAT(receiver.requests(), SizeIs(0));
}

TEST_F(WebhookTest, StopInterruptsASend) {
  Mutex mu;
  CondVar arrived;
  bool here = false;
  Receiver receiver([&](const Request&) {
    MutexLock lock(mu);
    here = true;
    arrived.notify_all();
    return std::string{};
  });
  WebhookOptions options;
  options.url = receiver.url();
  options.timeout = std::chrono::hours{1};
  const auto made = channel(options);
  std::jthread stopper([&] {
    MutexLock lock(mu);
    while (!here) arrived.wait(mu);
    made->stop();
  });
  EXPECT_EQ(made->send(message()).error().code, Code::kCancelled);
  EXPECT_EQ(made->send(message()).error().code, Code::kCancelled);
}

class WebhookTlsTest : public WebhookTest {
 protected:
  WebhookTlsTest() {
    file_ = std::filesystem::temp_directory_path() /
            ("tidewatch_ca_" + std::to_string(::getpid()) + ".pem");
  }
  ~WebhookTlsTest() override { std::filesystem::remove(file_); }
  Status send(const Certificate& certificate, bool trusted) {
    Receiver receiver(always(200), &certificate);
    std::ofstream(file_) << certificate.certificate_pem;
    WebhookOptions options;
    options.url = receiver.url();
    if (trusted) options.ca_file = file_;
    Status sent = channel(options)->send(message());
    received_ = receiver.requests().size();
    return sent;
  }

  std::filesystem::path file_;
  std::size_t received_ = 0;
};

TEST_F(WebhookTlsTest, DeliversToATrustedReceiver) {
  const Status sent = send(make_certificate("IP:127.0.0.1"), true);
  EXPECT_TRUE(sent.ok()) << sent.error().message;
  EXPECT_EQ(received_, 1U);
}

TEST_F(WebhookTlsTest, TellsNothingToAReceiverItCannotTrust) {
  const struct {
    const char* name;
    const char* subject;
    bool trusted;
  } cases[] = {{"unknown authority", "IP:127.0.0.1", false},
               {"another address", "IP:127.0.0.2", true},
               {"another name", "DNS:example.org", true}};
  for (const auto& c : cases) {
    const Status sent = send(make_certificate(c.subject), c.trusted);
    ASSERT_FALSE(sent.ok()) << c.name;
    EXPECT_EQ(sent.error().code, Code::kUnavailable) << c.name;
    EXPECT_THAT(sent.error().message, HasSubstr("certificate verify failed")) << c.name;
    EXPECT_EQ(received_, 0U) << c.name;
  }
}

TEST_F(WebhookTlsTest, AMissingCaFileIsToldAtOnce) {
  WebhookOptions options;
  options.url = "https://example.org/";
  options.ca_file = "/nonexistent.pem";
  const auto made = WebhookChannel::create(options, clock_);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().message, HasSubstr("/nonexistent.pem"));
}

// The whole way: outbox, sender, webhook, receiver.
class WebhookDeliveryTest : public WebhookTest {
 protected:
  std::unique_ptr<OutboxSender> sender(const std::string& url) {
    WebhookOptions options;
    options.url = url;
    options.timeout = std::chrono::milliseconds{2'000};
    std::vector<std::unique_ptr<Channel>> channels;
    channels.push_back(channel(options));
    return std::make_unique<OutboxSender>(outbox_, std::move(channels), clock_);
  }
  MemoryOutbox outbox_;
  OutboxMessage fresh(const std::string& key) const {
    OutboxMessage made = message(key);
    made.created_at = clock_.wall_now();
    return made;
  }
};

TEST_F(WebhookDeliveryTest, NeverTwiceWhenAllGoesWell) {
  Receiver receiver(always(200));
  const auto made = sender(receiver.url());
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(outbox_.put(fresh("key" + std::to_string(i))).ok());
    }
    ASSERT_TRUE(made->step(clock_.wall_now()).ok());
    clock_.advance(std::chrono::minutes{20});
    ASSERT_TRUE(made->step(clock_.wall_now()).ok());
  }
  std::map<std::string, int> seen;
  for (const Request& request : receiver.requests())
    ++seen[std::string(request["Idempotency-Key"])];
  EXPECT_THAT(seen, SizeIs(20));
  for (const auto& [key, count] : seen) EXPECT_EQ(count, 1) << key;
}

TEST_F(WebhookDeliveryTest, AnErrorIsTriedAgainWithTheSameKey) {
  std::atomic<int> calls{0};
  Receiver receiver([&](const Request&) { return plain(calls++ == 0 ? 500 : 200); });
  const auto made = sender(receiver.url());
  ASSERT_TRUE(outbox_.put(fresh("key")).ok());
  EXPECT_EQ(made->step(clock_.wall_now())->failed, 1U);
  EXPECT_EQ(made->step(clock_.wall_now())->delivered, 0U) << "not before its time";
  clock_.advance(std::chrono::milliseconds{1'500});
  EXPECT_EQ(made->step(clock_.wall_now())->delivered, 1U);
  const auto requests = receiver.requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0]["Idempotency-Key"], requests[1]["Idempotency-Key"]);
  EXPECT_EQ(*outbox_.size(), 0U);
}

TEST_F(WebhookDeliveryTest, AReceiverThatComesBackGetsEverything) {
  std::uint16_t port = 0;
  {
    net::io_context io;
    const tcp::acceptor acceptor(io, {net::ip::make_address("127.0.0.1"), 0});
    port = acceptor.local_endpoint().port();
  }
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(outbox_.put(fresh("key" + std::to_string(i))).ok());
  const auto away = sender("http://127.0.0.1:" + std::to_string(port) + "/");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(away->step(clock_.wall_now()).ok());
    clock_.advance(std::chrono::minutes{20});
  }
  ASSERT_EQ(*outbox_.size(), 5U);
  // A crash in between: another process, the same outbox; the receiver is back.
  Receiver receiver(always(200));
  const auto made = sender(receiver.url());
  EXPECT_EQ(made->step(clock_.wall_now())->delivered, 5U);
  EXPECT_THAT(receiver.requests(), SizeIs(5));
}

TEST(WebhookUrl, TakesAddressesApart) {
  const struct {
    const char* url;
    bool tls;
    const char* host;
    std::uint16_t port;
    const char* target;
    const char* host_header;
  } cases[] = {
      {"http://a", false, "a", 80, "/", "a"},
      {"HTTPS://a.example/x", true, "a.example", 443, "/x", "a.example"},
      {"http://a:8080?q=1#f", false, "a", 8080, "/?q=1", "a:8080"},
      {"https://[::1]:8443/x", true, "::1", 8443, "/x", "[::1]:8443"},
      {"https://[::1]/x", true, "::1", 443, "/x", "[::1]"},
      {"http://a:443/", false, "a", 443, "/", "a:443"},
  };
  for (const auto& c : cases) {
    const auto parsed = parse_webhook_url(c.url);
    ASSERT_TRUE(parsed.ok()) << c.url;
    EXPECT_EQ(parsed->tls, c.tls) << c.url;
    EXPECT_EQ(parsed->host, c.host) << c.url;
    EXPECT_EQ(parsed->port, c.port) << c.url;
    EXPECT_EQ(parsed->target, c.target) << c.url;
    EXPECT_EQ(parsed->host_header(), c.host_header) << c.url;
  }
  for (const char* url : {"", "a", "ftp://a", "http://", "http:///x", "http://a:0",
                          "http://a:65536", "http://a:x", "http://u:p@a/", "http://a/\r\nX: 1",
                          "http://a/b c", "http://[::1", "http://例.cn/", "http://[::1]x/"}) {
    EXPECT_FALSE(parse_webhook_url(url).ok()) << url;
  }
}

}  // namespace
}  // namespace tidewatch
