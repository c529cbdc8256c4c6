// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.h"
#include "serve/engine.h"

namespace tidewatch {

// One event as it goes over the wire, shared by all clients.
using LiveFrame = std::shared_ptr<const std::string>;

// One event in the format of server-sent events. Line ends within `data` become more data lines;
// within `event` and `id` they are dropped.
std::string format_live_event(std::string_view event, std::string_view id, std::string_view data);

// What one client of GET /v1/live has yet to be sent.
// Threads: the hub's publishers and one reader.
// Bounds: kEventsMax events, besides the resumed ones (at most the hub's ring).
class LiveClient {
 public:
  static constexpr std::size_t kEventsMax = 256;

  // Moves at most `count_max` events out, the oldest first.
  std::vector<LiveFrame> take(std::size_t count_max);
  // No more will come: the hub was closed, or alerts alone overflowed the buffer.
  bool ended() const;

 private:
  friend class LiveHub;
  struct Waiting {
    LiveFrame frame;
    bool droppable;
  };
  // Returns true when the reader should be woken.
  bool offer(const LiveFrame& frame, bool droppable);
  bool end();

  mutable Mutex mu_;
  std::deque<Waiting> waiting_ GUARDED_BY(mu_);
  std::size_t resumed_ GUARDED_BY(mu_) = 0;  // of waiting_, those from before the subscription
  bool ended_ GUARDED_BY(mu_) = false;
  std::function<void()> wake_;  // set once by subscribe; called without mu_
};

// Spreads events to the open live streams and remembers the last alerts for those who come back.
// Threads: every member may be called concurrently; publish() holds one lock for the time of a
// few pushes a client and never waits for a client.
// Bounds: `clients_max` clients; kResumeMax events that have an id.
class LiveHub final : public LiveEvents {
 public:
  static constexpr std::size_t kResumeMax = 1000;

  explicit LiveHub(std::size_t clients_max) : clients_max_(clients_max) {}

  void publish(std::string_view event, std::string_view id, std::string_view data) override;

  // Adds a client; nothing when there are clients_max, or after close(). With a `last_event_id`
  // it first gets the events with an id that came after that one: all that are remembered when
  // the id is not among them (better told twice than never). `wake` is called from publishers
  // when the client's buffer is no longer empty, and when it ends; it must not block or call back.
  std::shared_ptr<LiveClient> subscribe(std::string_view last_event_id, std::function<void()> wake);
  void unsubscribe(const std::shared_ptr<LiveClient>& client);
  // Ends every client; later events go nowhere.
  void close();
  std::size_t clients() const;

 private:
  struct Remembered {
    std::string id;
    LiveFrame frame;
  };

  const std::size_t clients_max_;
  mutable Mutex mu_;
  std::vector<std::shared_ptr<LiveClient>> clients_ GUARDED_BY(mu_);
  std::deque<Remembered> remembered_ GUARDED_BY(mu_);
  bool closed_ GUARDED_BY(mu_) = false;
};

}  // namespace tidewatch
