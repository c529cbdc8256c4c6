// SPDX-License-Identifier: Apache-2.0
#include "serve/deadline.h"

namespace tidewatch {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;
constexpr TimePoint kNever = TimePoint::max();

}  // namespace

struct Deadline::State : std::enable_shared_from_this<State> {
  explicit State(boost::asio::ip::tcp::socket& guarded)
      : socket(&guarded), timer(guarded.get_executor()) {}

  void arm(TimePoint when) {
    armed_for = when;
    timer.expires_at(when);
    timer.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (!error) self->fired();
    });
  }

  void fired() {
    armed_for = kNever;
    if (socket == nullptr || at == kNever) return;
    const TimePoint now = std::chrono::steady_clock::now();
    if (now < at) return arm(at);
    passed = true;
    boost::system::error_code ignored;
    socket->cancel(ignored);
    // What is made of several reads may have been between two of them: then cancel the next.
    arm(now + std::chrono::milliseconds(100));
  }

  boost::asio::ip::tcp::socket* socket;  // nullptr: the deadline is gone
  boost::asio::steady_timer timer;
  TimePoint at = kNever;
  TimePoint armed_for = kNever;
  bool passed = false;
};

Deadline::Deadline(boost::asio::ip::tcp::socket& socket)
    : state_(std::make_shared<State>(socket)) {}

Deadline::~Deadline() {
  state_->socket = nullptr;
  state_->timer.cancel();
}

void Deadline::set(std::chrono::milliseconds from_now) {
  state_->passed = false;
  state_->at = std::chrono::steady_clock::now() + from_now;
  if (state_->at < state_->armed_for) state_->arm(state_->at);
}

void Deadline::clear() {
  state_->passed = false;
  state_->at = kNever;
}

bool Deadline::passed() const { return state_->passed; }

}  // namespace tidewatch
