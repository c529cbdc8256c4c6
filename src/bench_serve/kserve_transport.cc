// SPDX-License-Identifier: Apache-2.0
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <ctime>
#include <thread>
#include <unordered_set>
#include <utility>

#include "bench_serve/grpc_channel.h"
#include "bench_serve/transport.h"
#include "core/mutex.h"
#include "inference/grpc_service.grpc.pb.h"

namespace tidewatch {
namespace {

// Appends one element of a BYTES tensor: its length, little endian, and the bytes.
void append_bytes_element(std::string_view text, std::string& out) {
  const auto size = static_cast<std::uint32_t>(text.size());
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(size >> shift & 0xFF);
  out += text;
}

// Unary ModelInfer calls, as many at once as are due; one thread takes the answers.
class KserveTransport final : public Transport {
 public:
  explicit KserveTransport(TransportOptions options) : options_(std::move(options)) {}
  ~KserveTransport() override { KserveTransport::close(); }

  Status open() override {
    for (std::size_t i = 0; i < options_.connections; ++i) {
      channels_.push_back(open_grpc_channel(options_));
      TRY(wait_connected(*channels_.back(), options_));
      stubs_.push_back(inference::GRPCInferenceService::NewStub(channels_.back()));
    }
    TRY(check_model());
    receiver_ = std::thread([this] { receive(); });
    return {};
  }

  void send(std::unique_ptr<Bundle> bundle) override {
    auto call = std::make_unique<Call>();
    if (options_.tell_deadline) {
      call->context.set_deadline(std::chrono::system_clock::now() +
                                 std::chrono::milliseconds(bundle->timeout_ms()));
    }
    fill(*bundle);
    call->bundle = std::move(bundle);
    {
      MutexLock lock(mu_);
      under_way_.insert(call.get());
    }
    const auto& stub = stubs_[messages_.fetch_add(1, std::memory_order_relaxed) % stubs_.size()];
    bytes_sent_.fetch_add(request_.ByteSizeLong(), std::memory_order_relaxed);
    call->reader = stub->AsyncModelInfer(&call->context, request_, &queue_);
    Call* const tag = call.release();  // the receiver's from here
    tag->reader->Finish(&tag->response, &tag->status, tag);
  }

  void close() override {
    if (!receiver_.joinable()) return;
    {
      MutexLock lock(mu_);
      closing_ = true;
      for (Call* call : under_way_) call->context.TryCancel();
    }
    queue_.Shutdown();
    receiver_.join();
  }

  TransportCounts counts() const override {
    return {messages_.load(), bytes_sent_.load(), bytes_received_.load(),
            static_cast<double>(cpu_ns_.load()) / 1e9};
  }

 private:
  struct Call {
    std::unique_ptr<Bundle> bundle;
    grpc::ClientContext context;
    inference::ModelInferResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<inference::ModelInferResponse>> reader;
  };

  // So that a wrong name is one clear error and not a load of failures.
  Status check_model() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    inference::ModelReadyRequest request;
    request.set_name(options_.model);
    inference::ModelReadyResponse response;
    const grpc::Status status = stubs_.front()->ModelReady(&context, request, &response);
    if (status.ok() && response.ready()) return {};
    return Error{Code::kUnavailable,
                 "the server has no model '" + options_.model + "' ready" +
                     (status.ok() ? std::string() : ": " + status.error_message())};
  }

  void fill(const Bundle& bundle) {
    request_.Clear();
    request_.set_model_name(options_.model);
    auto& input = *request_.add_inputs();
    input.set_name("text");
    input.set_datatype("BYTES");
    input.add_shape(static_cast<std::int64_t>(bundle.size()));
    input.add_shape(1);
    std::string& raw = *request_.add_raw_input_contents();
    for (std::size_t i = 0; i < bundle.size(); ++i) append_bytes_element(bundle.text(i), raw);
  }

  void receive() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      const SteadyTime now = std::chrono::steady_clock::now();
      const std::unique_ptr<Call> call(static_cast<Call*>(tag));
      bool closing = false;
      {
        MutexLock lock(mu_);
        under_way_.erase(call.get());
        closing = closing_;
      }
      if (!closing) {  // what close() cancelled stays unanswered
        call->bundle->tell(0, call->bundle->size(), grpc_outcome(call->status.error_code()), now);
      }
      bytes_received_.fetch_add(call->response.ByteSizeLong(), std::memory_order_relaxed);
      timespec cpu{};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
      cpu_ns_.store(cpu.tv_sec * 1'000'000'000 + cpu.tv_nsec, std::memory_order_relaxed);
    }
  }

  const TransportOptions options_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<inference::GRPCInferenceService::Stub>> stubs_;
  grpc::CompletionQueue queue_;
  inference::ModelInferRequest request_;  // of the sender
  Mutex mu_;
  std::unordered_set<Call*> under_way_ GUARDED_BY(mu_);
  bool closing_ GUARDED_BY(mu_) = false;
  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> bytes_sent_{0};
  std::atomic<std::uint64_t> bytes_received_{0};
  std::atomic<std::int64_t> cpu_ns_{0};
  std::thread receiver_;
};

}  // namespace

std::unique_ptr<Transport> make_kserve_transport(TransportOptions options) {
  return std::make_unique<KserveTransport>(std::move(options));
}

}  // namespace tidewatch
