// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "bench_serve/http_client.h"
#include "bench_serve/transport.h"
#include "core/mutex.h"
#include "observe/json_text.h"

namespace tidewatch {
namespace {

void append_post_line(const Bundle& bundle, std::size_t i, const TransportOptions& options,
                      std::string& id, std::string& out) {
  out += R"({"text":)";
  append_json_string(out, bundle.text(i));
  if (!options.bare) {
    write_post_id(options.seed, bundle.first_index + i, id);
    fmt::format_to(std::back_inserter(out), R"(,"id":"{}","author":"a{}","region":"{}")", id,
                   bundle.senders[i].author, bundle.senders[i].region);
  }
  out += "}\n";
}

void append_infer_body(const Bundle& bundle, std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"inputs":[{{"name":"text","shape":[{}],"datatype":"BYTES","data":[)",
                 bundle.size());
  for (std::size_t i = 0; i < bundle.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, bundle.text(i));
  }
  out += "]}]}";
}

constexpr std::chrono::milliseconds kReconnectPause{10};

class HttpTransport final : public Transport {
 public:
  explicit HttpTransport(TransportOptions options)
      : options_(std::move(options)), connections_(options_.connections) {}
  ~HttpTransport() override { close(); }

  Status open() override {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    stop_event_ = ::eventfd(0, EFD_CLOEXEC);
    watch(stop_event_, connections_.size());
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      TRY(connect(i));
      MutexLock lock(mu_);
      idle_.push_back(i);
    }
    receiver_ = std::thread([this] { receive(); });
    return {};
  }

  void send(std::unique_ptr<Bundle> bundle) override {
    compose(*bundle);
    std::size_t i = 0;
    {
      MutexLock lock(mu_);
      while (idle_.empty()) became_idle_.wait(mu_);
      i = idle_.back();
      idle_.pop_back();
      connections_[i].bundle = std::move(bundle);
    }
    // From here on the receiver may end the exchange at any moment, should the server hang up.
    const Status written = write_all(connections_[i].socket, message_);
    messages_.fetch_add(1, std::memory_order_relaxed);
    bytes_sent_.fetch_add(message_.size(), std::memory_order_relaxed);
    if (!written) ::shutdown(connections_[i].socket, SHUT_RDWR);  // the receiver sees it close
  }

  void close() override {
    if (receiver_.joinable()) {
      const std::uint64_t one = 1;
      static_cast<void>(::write(stop_event_, &one, sizeof one));
      receiver_.join();
    }
    for (Connection& connection : connections_) {
      if (connection.socket >= 0) ::close(std::exchange(connection.socket, -1));
    }
    if (stop_event_ >= 0) ::close(std::exchange(stop_event_, -1));
    if (epoll_ >= 0) ::close(std::exchange(epoll_, -1));
  }

  TransportCounts counts() const override {
    return {messages_.load(), bytes_sent_.load(), bytes_received_.load(),
            static_cast<double>(cpu_ns_.load()) / 1e9};
  }

 private:
  struct Connection {
    int socket = -1;
    std::unique_ptr<Bundle> bundle;  // set by send() before it writes, taken by the receiver
    std::string answer;              // receiver
  };

  void watch(int fd, std::size_t number) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = number;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  Status connect(std::size_t i) {
    TRY_ASSIGN(connections_[i].socket, connect_tcp(options_.host, options_.port));
    ::fcntl(connections_[i].socket, F_SETFL, O_NONBLOCK);
    watch(connections_[i].socket, i);
    return {};
  }

  void compose(const Bundle& bundle) {
    body_.clear();
    if (options_.classify) {
      append_infer_body(bundle, body_);
    } else {
      for (std::size_t i = 0; i < bundle.size(); ++i) {
        append_post_line(bundle, i, options_, id_, body_);
      }
    }
    message_.clear();
    auto out = std::back_inserter(message_);
    if (options_.classify) {
      fmt::format_to(out, "POST /v2/models/{}/infer", options_.model);
    } else {
      message_ += "POST /v1/posts";
    }
    fmt::format_to(out, " HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
                   options_.host, options_.port,
                   options_.classify ? "application/json" : "application/x-ndjson", body_.size());
    if (options_.tell_deadline) {
      fmt::format_to(out, "x-timeout-ms: {}\r\n", bundle.timeout_ms());
    }
    message_ += "\r\n";
    message_ += body_;
  }

  void receive() {
    epoll_event events[64];
    while (true) {
      const int ready = ::epoll_wait(epoll_, events, 64, -1);
      for (int k = 0; k < ready; ++k) {
        const std::uint64_t number = events[k].data.u64;
        if (number == connections_.size()) return;
        read_from(number);
      }
      timespec cpu{};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
      cpu_ns_.store(cpu.tv_sec * 1'000'000'000 + cpu.tv_nsec, std::memory_order_relaxed);
    }
  }

  void read_from(std::size_t i) {
    Connection& connection = connections_[i];
    char buffer[16 << 10];
    while (true) {
      const ssize_t got = ::recv(connection.socket, buffer, sizeof buffer, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got <= 0) {
        broken(i);
        return;
      }
      bytes_received_.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
      connection.answer.append(buffer, static_cast<std::size_t>(got));
      const Result<HttpAnswerHead> head = parse_answer_head(connection.answer);
      if (!head) {
        if (head.error().code == Code::kUnavailable) continue;
        broken(i);
        return;
      }
      if (connection.answer.size() < head->head_bytes + head->body_bytes) continue;
      answered(i, *head);
      return;
    }
  }

  void answered(std::size_t i, const HttpAnswerHead& head) {
    Connection& connection = connections_[i];
    std::unique_ptr<Bundle> bundle;
    {
      MutexLock lock(mu_);
      bundle = std::move(connection.bundle);
    }
    if (bundle) {
      const SteadyTime now = std::chrono::steady_clock::now();
      const std::string_view body = std::string_view(connection.answer).substr(head.head_bytes);
      if (options_.classify) {
        const PostOutcome outcome = head.status == 200   ? PostOutcome::kAccepted
                                    : head.status == 429 ? PostOutcome::kRefused
                                    : head.status == 504 ? PostOutcome::kExpired
                                                         : PostOutcome::kFailed;
        bundle->tell(0, bundle->size(), outcome, now);
      } else {
        tell_ingested(*bundle, head.status, body, now);
      }
    }
    connection.answer.clear();
    const bool was_busy = bundle != nullptr;
    if (head.close) broken(i);
    if (was_busy) free_again(i);
  }

  void tell_ingested(const Bundle& bundle, int status, std::string_view body,
                     SteadyTime now) const {
    const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("accepted")) {
      bundle.tell(0, bundle.size(),
                  status == 429   ? PostOutcome::kRefused
                  : status == 504 ? PostOutcome::kExpired
                                  : PostOutcome::kFailed,
                  now);
      return;
    }
    const auto from_line = json.value("unprocessed_from_line", std::uint64_t{0});
    const std::size_t done =
        from_line == 0 ? bundle.size() : std::min<std::size_t>(from_line - 1, bundle.size());
    std::size_t told = 0;
    const auto accepted_until = [&](std::size_t end) {
      bundle.tell(told, end, PostOutcome::kAccepted, now);
      if (options_.on_acknowledged) {
        for (std::size_t k = told; k < end; ++k) options_.on_acknowledged(bundle.first_index + k);
      }
      told = end;
    };
    if (json.contains("errors")) {  // a line that is wrong: ours are not, so this is a failure
      for (const auto& error : json["errors"]) {
        const std::size_t line = error.value("line", std::size_t{0});
        if (line == 0 || line > done || line <= told) continue;
        accepted_until(line - 1);
        bundle.tell(line - 1, line, PostOutcome::kFailed, now);
        told = line;
      }
    }
    accepted_until(done);
    bundle.tell(done, bundle.size(),
                status == 429   ? PostOutcome::kRefused
                : status == 504 ? PostOutcome::kExpired
                                : PostOutcome::kFailed,
                now);
  }

  // The server hung up: what was under way on the connection has failed; a new one takes its place.
  void broken(std::size_t i) {
    Connection& connection = connections_[i];
    std::unique_ptr<Bundle> bundle;
    {
      MutexLock lock(mu_);
      bundle = std::move(connection.bundle);
    }
    const bool was_busy = bundle != nullptr;
    if (bundle) {
      bundle->tell(0, bundle->size(), PostOutcome::kFailed, std::chrono::steady_clock::now());
    }
    connection.answer.clear();
    // The number of the socket must not change while send() writes to it: dup2 keeps it. Without a
    // server the old socket stays, shut: it is readable at once, which is the next try.
    if (const Result<int> fresh = connect_tcp(options_.host, options_.port)) {
      ::fcntl(*fresh, F_SETFL, O_NONBLOCK);
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.socket, nullptr);
      ::dup2(*fresh, connection.socket);
      ::close(*fresh);
      watch(connection.socket, i);
    } else {
      ::shutdown(connection.socket, SHUT_RDWR);
      std::this_thread::sleep_for(kReconnectPause);
    }
    if (was_busy) free_again(i);
  }

  void free_again(std::size_t i) {
    {
      MutexLock lock(mu_);
      idle_.push_back(i);
    }
    became_idle_.notify_one();
  }

  const TransportOptions options_;
  std::vector<Connection> connections_;
  int epoll_ = -1;
  int stop_event_ = -1;
  Mutex mu_;
  CondVar became_idle_;
  std::vector<std::size_t> idle_ GUARDED_BY(mu_);
  std::thread receiver_;
  std::string body_;  // these three: of the sender
  std::string message_;
  std::string id_;
  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> bytes_sent_{0};
  std::atomic<std::uint64_t> bytes_received_{0};
  std::atomic<std::int64_t> cpu_ns_{0};
};

}  // namespace

std::unique_ptr<Transport> make_http_transport(TransportOptions options) {
  return std::make_unique<HttpTransport>(std::move(options));
}

}  // namespace tidewatch
