// SPDX-License-Identifier: Apache-2.0
#include "serve/live_hub.h"

#include <algorithm>
#include <utility>

namespace tidewatch {
namespace {

std::string one_line(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return c != '\r' && c != '\n' && c != '\0'; });
  return out;
}

}  // namespace

std::string format_live_event(std::string_view event, std::string_view id, std::string_view data) {
  std::string out;
  out.reserve(data.size() + event.size() + id.size() + 32);
  if (!id.empty()) out += "id: " + one_line(id) + '\n';
  out += "event: " + one_line(event) + '\n';
  while (true) {
    const std::size_t end = data.find_first_of("\r\n");
    out += "data: ";
    out += data.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) break;
    data.remove_prefix(data.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
  out += '\n';
  return out;
}

std::vector<LiveFrame> LiveClient::take(std::size_t count_max) {
  std::vector<LiveFrame> out;
  MutexLock lock(mu_);
  while (!waiting_.empty() && out.size() < count_max) {
    out.push_back(std::move(waiting_.front().frame));
    waiting_.pop_front();
    if (resumed_ > 0) --resumed_;
  }
  return out;
}

bool LiveClient::ended() const {
  MutexLock lock(mu_);
  return ended_;
}

bool LiveClient::offer(const LiveFrame& frame, bool droppable) {
  MutexLock lock(mu_);
  if (ended_) return false;
  if (waiting_.size() - resumed_ >= kEventsMax) {
    const auto oldest = std::find_if(waiting_.begin(), waiting_.end(),
                                     [](const Waiting& w) { return w.droppable; });
    if (oldest != waiting_.end()) {
      waiting_.erase(oldest);
    } else if (droppable) {
      return false;
    } else {
      ended_ = true;
      return true;
    }
  }
  waiting_.push_back({frame, droppable});
  return waiting_.size() == 1;
}

bool LiveClient::end() {
  MutexLock lock(mu_);
  return !std::exchange(ended_, true);
}

void LiveHub::publish(std::string_view event, std::string_view id, std::string_view data) {
  const auto frame = std::make_shared<const std::string>(format_live_event(event, id, data));
  MutexLock lock(mu_);
  if (closed_) return;
  if (!id.empty()) {
    remembered_.push_back({one_line(id), frame});
    if (remembered_.size() > kResumeMax) remembered_.pop_front();
  }
  for (const auto& client : clients_) {
    if (client->offer(frame, id.empty())) client->wake_();
  }
}

std::shared_ptr<LiveClient> LiveHub::subscribe(std::string_view last_event_id,
                                               std::function<void()> wake) {
  auto client = std::make_shared<LiveClient>();
  client->wake_ = std::move(wake);
  MutexLock lock(mu_);
  if (closed_ || clients_.size() >= clients_max_) return nullptr;
  if (!last_event_id.empty()) {
    auto from = remembered_.end();
    while (from != remembered_.begin() && std::prev(from)->id != last_event_id) --from;
    MutexLock client_lock(client->mu_);
    for (; from != remembered_.end(); ++from) client->waiting_.push_back({from->frame, false});
    client->resumed_ = client->waiting_.size();
  }
  clients_.push_back(client);
  return client;
}

void LiveHub::unsubscribe(const std::shared_ptr<LiveClient>& client) {
  MutexLock lock(mu_);
  std::erase(clients_, client);
}

void LiveHub::close() {
  MutexLock lock(mu_);
  closed_ = true;
  for (const auto& client : clients_) {
    if (client->end()) client->wake_();
  }
}

std::size_t LiveHub::clients() const {
  MutexLock lock(mu_);
  return clients_.size();
}

}  // namespace tidewatch
