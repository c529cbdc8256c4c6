// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <ctime>
#include <deque>
#include <thread>
#include <utility>

#include "bench_serve/grpc_channel.h"
#include "bench_serve/transport.h"
#include "core/mutex.h"
#include "tidewatch/v1/tidewatch.grpc.pb.h"

namespace tidewatch {
namespace {

// What Ingest and ClassifyStream differ in.
struct IngestKind {
  using Request = v1::IngestRequest;
  using Response = v1::IngestResponse;
  static auto open(v1::Tidewatch::Stub& stub, grpc::ClientContext& context) {
    return stub.Ingest(&context);
  }
  static std::uint64_t number(const Response& response) { return response.batch(); }
  static void fill(const Bundle& bundle, std::uint64_t number, const TransportOptions& options,
                   Request& request, std::string& id) {
    request.Clear();  // keeps the memory of the posts before
    request.set_batch(number);
    if (options.tell_deadline) request.set_timeout_ms(bundle.timeout_ms());
    for (std::size_t i = 0; i < bundle.size(); ++i) {
      v1::Post& post = *request.add_posts();
      const std::string_view text = bundle.text(i);
      post.set_text(text.data(), text.size());
      if (options.bare) continue;
      write_post_id(options.seed, bundle.first_index + i, id);
      post.set_id(id);
      id.assign("a").append(std::to_string(bundle.senders[i].author));
      post.set_author(id);
      const std::string_view region = bundle.senders[i].region;
      post.set_region(region.data(), region.size());
    }
  }
  static void tell(const Bundle& bundle, const Response& response, const TransportOptions& options,
                   SteadyTime now) {
    const bool unavailable = !response.unavailable().empty();
    const std::size_t done = response.refused() > 0 || unavailable
                                 ? std::min<std::size_t>(response.refused_from(), bundle.size())
                                 : bundle.size();
    std::size_t told = 0;
    const auto accepted_until = [&](std::size_t end) {
      bundle.tell(told, end, PostOutcome::kAccepted, now);
      if (options.on_acknowledged) {
        for (std::size_t i = told; i < end; ++i) options.on_acknowledged(bundle.first_index + i);
      }
      told = end;
    };
    for (const v1::PostError& error : response.errors()) {  // ours are right: a failure
      const std::size_t at = error.index();
      if (at < told || at >= done) continue;
      accepted_until(at);
      bundle.tell(at, at + 1, PostOutcome::kFailed, now);
      told = at + 1;
    }
    accepted_until(done);
    bundle.tell(done, bundle.size(), unavailable ? PostOutcome::kFailed : PostOutcome::kRefused,
                now);
  }
};

struct ClassifyKind {
  using Request = v1::ClassifyRequest;
  using Response = v1::ClassifyResponse;
  static auto open(v1::Tidewatch::Stub& stub, grpc::ClientContext& context) {
    return stub.ClassifyStream(&context);
  }
  static std::uint64_t number(const Response& response) { return response.request(); }
  static void fill(const Bundle& bundle, std::uint64_t number, const TransportOptions& options,
                   Request& request, std::string& /*id*/) {
    request.Clear();
    request.set_request(number);
    request.set_model(options.model);
    if (options.tell_deadline) request.set_timeout_ms(bundle.timeout_ms());
    for (std::size_t i = 0; i < bundle.size(); ++i) {
      const std::string_view text = bundle.text(i);
      request.add_texts(text.data(), text.size());
    }
  }
  static void tell(const Bundle& bundle, const Response& response, const TransportOptions&,
                   SteadyTime now) {
    bundle.tell(0, bundle.size(),
                grpc_outcome(static_cast<grpc::StatusCode>(response.error_code())), now);
  }
};

// One stream on a connection of its own. When it breaks, what was under way has failed and the
// next send opens another.
template <typename Kind>
class Stream {
 public:
  Stream(const TransportOptions& options) : options_(options) {}
  ~Stream() { close(); }

  Status open() {
    channel_ = open_grpc_channel(options_);
    stub_ = v1::Tidewatch::NewStub(channel_);
    TRY(wait_connected(*channel_, options_));
    begin();
    return {};
  }

  void send(std::unique_ptr<Bundle> bundle) {
    if (broken_.load(std::memory_order_acquire)) {
      close();
      begin();
    }
    Kind::fill(*bundle, next_, options_, request_, id_);
    {
      MutexLock lock(mu_);
      under_way_.emplace_back(next_++, std::move(bundle));
    }
    bytes_sent_.fetch_add(request_.ByteSizeLong(), std::memory_order_relaxed);
    // False: the stream is broken, which the reader sees too; it tells what is under way.
    static_cast<void>(stream_->Write(request_));
  }

  void close() {
    if (!reader_.joinable()) return;
    context_->TryCancel();
    reader_.join();
    stream_->Finish();
    stream_.reset();
  }

  void count(TransportCounts& counts) const {
    counts.bytes_sent += bytes_sent_.load();
    counts.bytes_received += bytes_received_.load();
    counts.cpu_seconds += static_cast<double>(cpu_ns_.load()) / 1e9;
  }

 private:
  void begin() {
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = Kind::open(*stub_, *context_);
    broken_.store(false, std::memory_order_release);
    reader_ = std::thread([this] { read(); });
  }

  void read() {
    typename Kind::Response response;
    const std::int64_t cpu_before = cpu_ns_.load();
    while (stream_->Read(&response)) {
      const SteadyTime now = std::chrono::steady_clock::now();
      if (const std::unique_ptr<Bundle> bundle = take(Kind::number(response))) {
        Kind::tell(*bundle, response, options_, now);
      }
      bytes_received_.fetch_add(response.ByteSizeLong(), std::memory_order_relaxed);
      timespec cpu{};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
      cpu_ns_.store(cpu_before + cpu.tv_sec * 1'000'000'000 + cpu.tv_nsec);
    }
    broken_.store(true, std::memory_order_release);
    const SteadyTime now = std::chrono::steady_clock::now();
    while (const std::unique_ptr<Bundle> bundle = take_first()) {
      bundle->tell(0, bundle->size(), PostOutcome::kFailed, now);
    }
  }

  // Answers of Ingest come in order, those of ClassifyStream nearly so.
  std::unique_ptr<Bundle> take(std::uint64_t number) {
    MutexLock lock(mu_);
    for (auto at = under_way_.begin(); at != under_way_.end(); ++at) {
      if (at->first != number) continue;
      std::unique_ptr<Bundle> bundle = std::move(at->second);
      under_way_.erase(at);
      return bundle;
    }
    return nullptr;
  }
  std::unique_ptr<Bundle> take_first() {
    MutexLock lock(mu_);
    if (under_way_.empty()) return nullptr;
    std::unique_ptr<Bundle> bundle = std::move(under_way_.front().second);
    under_way_.pop_front();
    return bundle;
  }

  const TransportOptions& options_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Tidewatch::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<typename Kind::Request, typename Kind::Response>>
      stream_;
  typename Kind::Request request_;  // these three: of the sender
  std::string id_;
  std::uint64_t next_ = 1;
  Mutex mu_;
  std::deque<std::pair<std::uint64_t, std::unique_ptr<Bundle>>> under_way_ GUARDED_BY(mu_);
  std::atomic<bool> broken_{false};
  std::atomic<std::uint64_t> bytes_sent_{0};
  std::atomic<std::uint64_t> bytes_received_{0};
  std::atomic<std::int64_t> cpu_ns_{0};
  std::thread reader_;
};

template <typename Kind>
class GrpcTransport final : public Transport {
 public:
  explicit GrpcTransport(TransportOptions options) : options_(std::move(options)) {}

  Status open() override {
    for (std::size_t i = 0; i < options_.connections; ++i) {
      streams_.push_back(std::make_unique<Stream<Kind>>(options_));
      TRY(streams_.back()->open());
    }
    return {};
  }
  void send(std::unique_ptr<Bundle> bundle) override {
    streams_[messages_.fetch_add(1, std::memory_order_relaxed) % streams_.size()]->send(
        std::move(bundle));
  }
  void close() override {
    for (const auto& stream : streams_) stream->close();
  }
  TransportCounts counts() const override {
    TransportCounts counts;
    counts.messages = messages_.load();
    for (const auto& stream : streams_) stream->count(counts);
    return counts;
  }

 private:
  const TransportOptions options_;
  std::vector<std::unique_ptr<Stream<Kind>>> streams_;
  std::atomic<std::uint64_t> messages_{0};
};

}  // namespace

std::unique_ptr<Transport> make_grpc_transport(TransportOptions options) {
  if (options.classify) return std::make_unique<GrpcTransport<ClassifyKind>>(std::move(options));
  return std::make_unique<GrpcTransport<IngestKind>>(std::move(options));
}

}  // namespace tidewatch
