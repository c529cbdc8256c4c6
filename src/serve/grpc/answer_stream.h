// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "serve/grpc/grpc_core.h"
#include "serve/grpc/status_map.h"

namespace tidewatch {

// A bidirectional stream in which every request gets one answer, from any thread and at any time:
//
//   read ─► take() ─► the engine ─► answered() ─► write
//
// It reads on while at most batches_in_flight_max requests and items_in_flight_max items wait for
// their answer to be written, and not beyond: the client then feels flow control. Answers go out in
// the order of their requests (kInOrder; one that `overtakes` at once) or as they come.
// Ownership: holds itself until OnDone; whoever owes an answer holds it too. Threads: gRPC's for
// the reactions, any for answered().
// Life cycle: make_shared, hold(), then reactions. It ends OK when the client has ended its half
// and all is answered; with fail()'s error when all before it is answered; at once when cancelled.
template <typename Request, typename Response>
class AnswerStream : public grpc::ServerBidiReactor<Request, Response>,
                     public OpenStream,
                     public std::enable_shared_from_this<AnswerStream<Request, Response>> {
 public:
  enum class Order : std::uint8_t { kInOrder, kAsTheyCome };
  // A request under way. Recycled: a stream holds at most batches_in_flight_max of them.
  struct Slot {
    Response response;
    std::size_t items = 0;
    bool ready = false;
  };

  AnswerStream(std::shared_ptr<GrpcCore> core, grpc::CallbackServerContext& context, Order order)
      : core_(std::move(core)), context_(context), ticket_(*core_), order_(order) {}

  // Begins: from here on the stream holds itself.
  void hold() {
    self_ = this->shared_from_this();
    core_->add(self_);
    MutexLock lock(mu_);
    if (!ticket_.ok()) failure_ = CallTicket::refusal();
    go_on();
  }

  // Any thread, once a slot; slot->response is filled. One that `overtakes` does not wait for those
  // before it: a refusal is of use only while it is fresh.
  void answered(Slot* slot, bool overtakes = false) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    slot->ready = true;
    if (order_ == Order::kAsTheyCome) {
      writable_.push_back(slot);
    } else if (overtakes) {
      std::erase(waiting_, slot);
      writable_.push_back(slot);
      while (!waiting_.empty() && waiting_.front()->ready) {
        writable_.push_back(waiting_.front());
        waiting_.pop_front();
      }
    } else {
      while (!waiting_.empty() && waiting_.front()->ready) {
        writable_.push_back(waiting_.front());
        waiting_.pop_front();
      }
    }
    go_on();
  }

 protected:
  // Starts work on a request that was read; may take it apart. Calls answered() for the slot when
  // it is done (maybe at once), or returns an error that ends the stream (then never).
  virtual Status take(Request& request, Slot* slot) = 0;
  // How many items the request has, for the bound.
  virtual std::size_t items(const Request& request) const = 0;
  // The client is gone: nobody wants the answers.
  virtual void abandoned() {}

  GrpcCore& core() { return *core_; }
  grpc::CallbackServerContext& context() { return context_; }

 private:
  void OnReadDone(bool ok) override {
    Slot* slot = nullptr;
    {
      MutexLock lock(mu_);
      if (!ok || failure_ || cancelled_ || finished_) {
        reading_ = false;
        if (!ok) reads_done_ = true;
        go_on();
        return;
      }
      slot = new_slot();
      slot->items = items(request_);
      items_ += slot->items;
      if (order_ == Order::kInOrder) waiting_.push_back(slot);
    }
    const Status taken = take(request_, slot);
    MutexLock lock(mu_);
    reading_ = false;
    if (!taken) {
      failure_ = taken.error();
      drop(slot);
    }
    go_on();
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(mu_);
    writing_ = false;
    Slot* const slot = writable_.front();
    writable_.pop_front();
    recycle(slot);
    if (!ok) cancelled_ = true;
    go_on();
  }

  void OnCancel() override {
    {
      MutexLock lock(mu_);
      cancelled_ = true;
      go_on();
    }
    abandoned();
  }

  void OnDone() override {
    {
      MutexLock lock(mu_);
      finished_ = true;
    }
    core_->remove(this);
    const auto self = std::move(self_);  // may be the last
  }

  void server_stops() override {
    MutexLock lock(mu_);
    if (!failure_) failure_ = Error{Code::kUnavailable, "the server is stopping; call again"};
    go_on();
  }

  // Does whatever can be done now: the next write, the next read, the end. gRPC's operations do not
  // react within the call that starts them, so the lock may be held.
  void go_on() REQUIRES(mu_) {
    if (finished_) return;
    if (cancelled_) {
      if (!writing_) finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client went away"));
      return;
    }
    if (!writing_ && !writable_.empty()) {
      writing_ = true;
      grpc::WriteOptions options;
      if (writable_.size() > 1) options.set_buffer_hint();  // another follows at once
      this->StartWrite(&writable_.front()->response, options);
    }
    const bool stops_reading = reads_done_ || failure_.has_value();
    if (!stops_reading && !reading_ && under_way_ < core_->options.batches_in_flight_max &&
        items_ < core_->options.items_in_flight_max) {
      reading_ = true;
      this->StartRead(&request_);
    }
    if (stops_reading && under_way_ == 0) {
      finish(failure_ ? to_grpc(*failure_, context_) : grpc::Status::OK);
    }
  }
  void finish(grpc::Status status) REQUIRES(mu_) {
    finished_ = true;
    this->Finish(std::move(status));
  }

  Slot* new_slot() REQUIRES(mu_) {
    ++under_way_;
    if (free_.empty()) {
      slots_.push_back(std::make_unique<Slot>());
      return slots_.back().get();
    }
    Slot* const slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void recycle(Slot* slot) REQUIRES(mu_) {
    --under_way_;
    items_ -= slot->items;
    slot->response.Clear();
    slot->ready = false;
    free_.push_back(slot);
  }
  // Of a request that gets no answer.
  void drop(Slot* slot) REQUIRES(mu_) {
    std::erase(waiting_, slot);
    recycle(slot);
  }

  const std::shared_ptr<GrpcCore> core_;
  grpc::CallbackServerContext& context_;
  const CallTicket ticket_;
  const Order order_;
  std::shared_ptr<AnswerStream> self_;  // until OnDone
  Request request_;                     // of the read under way, then of take(); reused

  Mutex mu_;
  std::vector<std::unique_ptr<Slot>> slots_ GUARDED_BY(mu_);
  std::vector<Slot*> free_ GUARDED_BY(mu_);
  std::deque<Slot*> waiting_ GUARDED_BY(mu_);   // kInOrder: not yet writable, in order
  std::deque<Slot*> writable_ GUARDED_BY(mu_);  // the first is being written when writing_
  std::size_t under_way_ GUARDED_BY(mu_) = 0;   // slots that are not free
  std::size_t items_ GUARDED_BY(mu_) = 0;
  bool reading_ GUARDED_BY(mu_) = false;
  bool writing_ GUARDED_BY(mu_) = false;
  bool reads_done_ GUARDED_BY(mu_) = false;
  bool cancelled_ GUARDED_BY(mu_) = false;
  bool finished_ GUARDED_BY(mu_) = false;
  std::optional<Error> failure_ GUARDED_BY(mu_);  // ends the stream once all is answered
};

}  // namespace tidewatch
