// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace tidewatch {

// Cancels what a socket is doing when time is up, without closing it: an answer can still go out.
// Setting it is cheap: the timer is only moved when the new deadline is an earlier one.
// Ownership: the socket outlives it. Threads: all on the socket's strand.
class Deadline {
 public:
  explicit Deadline(boost::asio::ip::tcp::socket& socket);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void set(std::chrono::milliseconds from_now);
  void clear();
  // Whether the deadline that was set last has passed.
  bool passed() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidewatch
