// SPDX-License-Identifier: Apache-2.0
#include "sources/kafka_source.h"

#include <fmt/format.h>
#include <librdkafka/rdkafkacpp.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "core/rfc3339.h"
#include "observe/log.h"
#include "sources/backoff.h"
#include "sources/delivery_lane.h"
#include "sources/durable_file.h"

namespace tidewatch {
namespace {

using Lane = DeliveryLane<std::int64_t>;
using Partition = std::pair<std::string, std::int32_t>;

constexpr std::chrono::milliseconds kTick{1'000};
constexpr std::chrono::milliseconds kPauseAfter{200};
constexpr std::chrono::milliseconds kRoomPause{2};
constexpr std::chrono::seconds kDrainTime{10};
constexpr int kConsumeMs = 100;
constexpr int kFlushMs = 5'000;

struct DeadLetter {
  std::shared_ptr<Lane> lane;
  std::uint64_t ticket = 0;
};

// Owns what librdkafka's calls take as raw pointers.
class Partitions {
 public:
  ~Partitions() { RdKafka::TopicPartition::destroy(list_); }
  Partitions() = default;
  Partitions(const Partitions&) = delete;
  Partitions& operator=(const Partitions&) = delete;
  void add(const Partition& partition, std::int64_t offset = RdKafka::Topic::OFFSET_INVALID) {
    list_.push_back(RdKafka::TopicPartition::create(partition.first, partition.second, offset));
  }
  std::vector<RdKafka::TopicPartition*>& list() { return list_; }
  bool empty() const { return list_.empty(); }

 private:
  std::vector<RdKafka::TopicPartition*> list_;
};

Status set_property(RdKafka::Conf& conf, const std::string& name, const std::string& value,
                    bool secret = false) {
  std::string why;
  if (conf.set(name, value, why) == RdKafka::Conf::CONF_OK) return {};
  return Error{Code::kInvalidArgument,
               secret ? fmt::format("{} cannot be used", name) : fmt::format("{}: {}", name, why)};
}

// What the consumer and the producer of dead letters share.
Result<std::unique_ptr<RdKafka::Conf>> make_conf(const KafkaOptions& options, bool consumer) {
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  TRY(set_property(*conf, "bootstrap.servers", options.brokers));
  TRY(set_property(*conf, "client.id", "tidewatch-" + options.name));
  for (const auto& [name, value] : options.properties) {
    const bool of_both = name.starts_with("s") && !name.starts_with("session");
    if (consumer || of_both) TRY(set_property(*conf, name, value));
  }
  if (!options.sasl_password.empty()) {
    TRY(set_property(*conf, "sasl.password", options.sasl_password, true));
  }
  if (!options.ssl_key_password.empty()) {
    TRY(set_property(*conf, "ssl.key.password", options.ssl_key_password, true));
  }
  if (!consumer) {
    TRY(set_property(*conf, "queue.buffering.max.messages", "1000"));
    TRY(set_property(*conf, "message.timeout.ms", "30000"));
    return conf;
  }
  TRY(set_property(*conf, "group.id", options.group));
  TRY(set_property(*conf, "auto.offset.reset", options.from_latest ? "latest" : "earliest"));
  TRY(set_property(*conf, "enable.auto.commit", "false"));
  TRY(set_property(*conf, "enable.auto.offset.store", "false"));
  // A member that was killed holds its partitions so long; librdkafka's own 45 s are many posts.
  if (!options.properties.contains("session.timeout.ms")) {
    TRY(set_property(*conf, "session.timeout.ms", "10000"));
  }
  TRY(set_property(*conf, "allow.auto.create.topics", "false"));
  TRY(set_property(*conf, "queued.max.messages.kbytes", "16384"));
  if (!options.properties.contains("topic.metadata.refresh.interval.ms")) {
    TRY(set_property(*conf, "topic.metadata.refresh.interval.ms", "30000"));
  }
  return conf;
}

}  // namespace

class KafkaSource::Impl final : public RdKafka::RebalanceCb,
                                public RdKafka::EventCb,
                                public RdKafka::OffsetCommitCb,
                                public RdKafka::DeliveryReportCb {
 public:
  Impl(KafkaOptions options, const SourceContext& context)
      : options_(std::move(options)),
        context_(context),
        status_(options_.name, "kafka", "messages", context.clock),
        decoder_(options_.name, options_.format, context.limits, context.clock),
        rejects_(context.dir / (options_.name + ".rejected.ndjson")),
        backoff_({}, std::hash<std::string>{}(options_.name)) {}
  ~Impl() override = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const SourceStatus& status() const { return status_; }
  Status check() const {
    for (const bool consumer : {true, false}) {
      const auto conf = make_conf(options_, consumer);
      if (!conf) return conf.error();
    }
    return {};
  }

  void run(const std::stop_token& stop) {
    keep_trying(context_, status_, backoff_, stop, [&] { return consume(stop); });
  }

 private:
  // A post that was decoded and not taken yet.
  struct Pending {
    Post post;
    std::shared_ptr<Lane> lane;
    std::uint64_t ticket = 0;
  };

  // Returns when stopped, or with why it cannot go on: then it is to be begun anew.
  Status consume(const std::stop_token& stop) {
    TRY(connect());
    Status ended;
    SteadyTime next_tick = context_.clock.steady_now() + kTick;
    while (!stop.stop_requested() && ended) {
      const int wait_ms = make_room(stop);
      if (wait_ms >= 0) {
        const std::unique_ptr<RdKafka::Message> message(consumer_->consume(wait_ms));
        ended = take(*message);
      }
      offer_pending();
      if (producer_) producer_->poll(0);
      if (context_.clock.steady_now() >= next_tick && ended) {
        ended = tick();
        next_tick = context_.clock.steady_now() + kTick;
      }
    }
    disconnect();
    return ended;
  }

  Status connect() {
    TRY_ASSIGN(const auto conf, make_conf(options_, true));
    std::string why;
    conf->set("rebalance_cb", static_cast<RdKafka::RebalanceCb*>(this), why);
    conf->set("event_cb", static_cast<RdKafka::EventCb*>(this), why);
    conf->set("offset_commit_cb", static_cast<RdKafka::OffsetCommitCb*>(this), why);
    consumer_.reset(RdKafka::KafkaConsumer::create(conf.get(), why));
    if (!consumer_) return Error{Code::kInvalidArgument, why};
    if (!options_.dead_letter_topic.empty()) {
      TRY_ASSIGN(const auto producer_conf, make_conf(options_, false));
      producer_conf->set("dr_cb", static_cast<RdKafka::DeliveryReportCb*>(this), why);
      producer_conf->set("event_cb", static_cast<RdKafka::EventCb*>(this), why);
      producer_.reset(RdKafka::Producer::create(producer_conf.get(), why));
      if (!producer_) return Error{Code::kInvalidArgument, why};
    }
    const RdKafka::ErrorCode error = consumer_->subscribe(options_.topics);
    if (error != RdKafka::ERR_NO_ERROR) {
      return Error{Code::kUnavailable, "cannot subscribe: " + RdKafka::err2str(error)};
    }
    return {};
  }

  // What is on disk is committed; what is not is read again by whoever comes next.
  void disconnect() {
    drop_pending([](const Pending&) { return true; });
    if (producer_) producer_->flush(kFlushMs);
    settle_lanes();
    consumer_->close();  // calls rebalance_cb for what is assigned
    consumer_.reset();
    if (producer_) {
      producer_->purge(RdKafka::Producer::PURGE_QUEUE | RdKafka::Producer::PURGE_INFLIGHT);
      producer_->flush(kFlushMs);  // tells dr_cb of each
      producer_.reset();
    }
    lanes_.clear();
    committed_.clear();
    paused_ = false;
    behind_since_.reset();
  }

  // Waits for posts that were taken, as long as they go to the disk.
  void settle_lanes() {
    const SteadyTime deadline = context_.clock.steady_now() + kDrainTime;
    for (const auto& [partition, lane] : lanes_) lane->drain(deadline);
  }

  // Posts that were never offered are not waited for; what comes after them is not durable.
  template <typename Which>
  void drop_pending(Which&& which) {
    std::deque<Pending> kept;
    for (Pending& one : pending_) {
      if (which(one)) {
        one.lane->told(one.ticket, Receipt::kFailed, "given up");
      } else {
        kept.push_back(std::move(one));
      }
    }
    pending_ = std::move(kept);
  }

  void offer_pending() {
    while (!pending_.empty()) {
      Pending& next = pending_.front();
      if (!context_.sink.offer(next.post, next.lane, next.ticket)) return;
      pending_.pop_front();
    }
  }

  std::size_t unstored() const {
    std::size_t sum = 0;
    for (const auto& [partition, lane] : lanes_) sum += lane->unstored();
    return sum;
  }

  // How long to wait for a message; -1: ask for none now.
  int make_room(const std::stop_token& stop) {
    const std::size_t waiting = unstored();
    const bool full = !pending_.empty() || waiting >= options_.in_flight_max;
    if (paused_) {
      if (pending_.empty() && waiting <= options_.in_flight_max / 2) set_paused(false);
      // Paused partitions give nothing, but the group must hear of us.
      return paused_ ? static_cast<int>(kRoomPause.count()) : kConsumeMs;
    }
    if (!full) {
      behind_since_.reset();
      return kConsumeMs;
    }
    const SteadyTime now = context_.clock.steady_now();
    if (!behind_since_) behind_since_ = now;
    if (now - *behind_since_ >= kPauseAfter) {
      set_paused(true);
      return 0;
    }
    context_.pauser.pause(stop, kRoomPause);
    return -1;
  }

  void set_paused(bool paused) {
    Partitions all;
    for (const auto& [partition, lane] : lanes_) all.add(partition);
    if (!all.empty()) {
      const RdKafka::ErrorCode error =
          paused ? consumer_->pause(all.list()) : consumer_->resume(all.list());
      if (error != RdKafka::ERR_NO_ERROR) status_.failed(RdKafka::err2str(error));
    }
    paused_ = paused;
    behind_since_.reset();
    status_.set_state(paused ? SourceState::kBehind : SourceState::kRunning);
  }

  Status take(const RdKafka::Message& message) {
    switch (message.err()) {
      case RdKafka::ERR_NO_ERROR:
        return take_message(message);
      case RdKafka::ERR__TIMED_OUT:
      case RdKafka::ERR__PARTITION_EOF:
        return {};
      case RdKafka::ERR__FATAL:
      case RdKafka::ERR__MAX_POLL_EXCEEDED:
        return Error{Code::kUnavailable, message.errstr()};
      default:  // librdkafka tries again by itself
        status_.failed(message.errstr());
        return {};
    }
  }

  Status take_message(const RdKafka::Message& message) {
    const auto lane = lanes_.find({message.topic_name(), message.partition()});
    if (lane == lanes_.end()) return {};  // taken away meanwhile
    status_.heard();
    if (!paused_) status_.set_state(SourceState::kRunning);
    backoff_.reset();
    const KafkaPlace place{message.topic_name(), message.partition(), message.offset(),
                           message.timestamp().timestamp};
    const std::string_view value(static_cast<const char*>(message.payload()), message.len());
    KafkaMessage decoded = decoder_.decode(place, value);
    const std::size_t letters = producer_ ? decoded.faults.size() : 0;
    const std::uint64_t ticket = lane->second->open(place.offset, decoded.posts.size() + letters);
    for (Post& post : decoded.posts) pending_.push_back({std::move(post), lane->second, ticket});
    for (const KafkaMessage::Fault& fault : decoded.faults) {
      TRY(set_aside(place, fault, lane->second, ticket));
    }
    return {};
  }

  // Keeps a message that is no post, and sends it to the dead-letter topic when there is one.
  Status set_aside(const KafkaPlace& place, const KafkaMessage::Fault& fault,
                   const std::shared_ptr<Lane>& lane, std::uint64_t ticket) {
    status_.rejected();
    const std::string where = fmt::format("{} line {}", place.text(), fault.line);
    TRY(rejects_.append(to_rfc3339(context_.clock.wall_now()), where, fault.reason, fault.value));
    if (!producer_) return {};
    auto letter = std::make_unique<DeadLetter>(DeadLetter{lane, ticket});
    std::unique_ptr<RdKafka::Headers> headers(RdKafka::Headers::create());
    headers->add("tidewatch-place", where);
    headers->add("tidewatch-reason", fault.reason);
    for (;;) {
      const RdKafka::ErrorCode error =
          producer_->produce(options_.dead_letter_topic, RdKafka::Topic::PARTITION_UA,
                             RdKafka::Producer::RK_MSG_COPY, const_cast<char*>(fault.value.data()),
                             fault.value.size(), nullptr, 0, 0, headers.get(), letter.get());
      if (error == RdKafka::ERR_NO_ERROR) {
        static_cast<void>(headers.release());  // produce() has taken both
        static_cast<void>(letter.release());
        return {};
      }
      if (error != RdKafka::ERR__QUEUE_FULL) {
        return Error{Code::kUnavailable, "dead-letter topic: " + RdKafka::err2str(error)};
      }
      producer_->poll(kConsumeMs);  // at the latest when its messages' time is over there is room
    }
  }

  // Once a second: counts, commits, lag; and the error when a post could not be stored.
  Status tick() {
    for (const auto& [partition, lane] : lanes_) {
      take_counts(*lane);
      if (const auto failure = lane->failure()) {
        return Error{Code::kUnavailable, "posts cannot be stored: " + *failure};
      }
    }
    Partitions due;
    TRY(add_due(lanes_, due));
    if (!due.empty()) {
      const RdKafka::ErrorCode error = consumer_->commitAsync(due.list());
      if (error != RdKafka::ERR_NO_ERROR) committed_.clear();
    }
    measure_lag();
    return {};
  }

  void take_counts(Lane& lane) {
    const Lane::Counts counts = lane.take_counts();
    status_.count(counts.stored, counts.duplicates);
  }

  // Offsets to commit: one past the last that is on disk, where that has moved.
  Status add_due(const std::map<Partition, std::shared_ptr<Lane>>& lanes, Partitions& due) {
    TRY(rejects_.sync());  // messages that were set aside are on disk before their offsets
    for (const auto& [partition, lane] : lanes) {
      const auto last = lane->durable();
      if (!last) continue;
      const auto before = committed_.find(partition);
      if (before != committed_.end() && before->second == *last) continue;
      committed_[partition] = *last;
      due.add(partition, *last + 1);
    }
    return {};
  }

  void measure_lag() {
    double lag = 0;
    bool known = false;
    for (const auto& [partition, lane] : lanes_) {
      std::int64_t low = 0;
      std::int64_t high = RdKafka::Topic::OFFSET_INVALID;
      const auto last = lane->durable();
      if (consumer_->get_watermark_offsets(partition.first, partition.second, &low, &high) !=
              RdKafka::ERR_NO_ERROR ||
          high < 0) {
        continue;
      }
      known = true;  // nothing was read yet: all that there is comes with the next message
      if (last) lag += static_cast<double>(std::max<std::int64_t>(0, high - *last - 1));
    }
    status_.set_lag(known ? std::optional<double>(lag) : std::nullopt);
    see_whether_back();
  }

  // After an outage without messages nothing else would say that the brokers are there again.
  void see_whether_back() {
    const SourceState state = status_.view().state;
    if (state != SourceState::kWaiting || lanes_.empty()) return;
    const Partition& one = lanes_.begin()->first;
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (consumer_->query_watermark_offsets(one.first, one.second, &low, &high, kConsumeMs) ==
        RdKafka::ERR_NO_ERROR) {
      status_.set_state(SourceState::kRunning);
    }
  }

  void rebalance_cb(RdKafka::KafkaConsumer* consumer, RdKafka::ErrorCode error,
                    std::vector<RdKafka::TopicPartition*>& partitions) override {
    const bool cooperative = consumer->rebalance_protocol() == "COOPERATIVE";
    std::unique_ptr<RdKafka::Error> failed;
    if (error == RdKafka::ERR__ASSIGN_PARTITIONS) {
      for (const auto* one : partitions) {
        lanes_[{one->topic(), one->partition()}] = std::make_shared<Lane>();
      }
      if (cooperative) {
        failed.reset(consumer->incremental_assign(partitions));
      } else {
        consumer->assign(partitions);
      }
      if (paused_) consumer->pause(partitions);
      if (!paused_) status_.set_state(SourceState::kRunning);
    } else {
      give_up(partitions, consumer->assignment_lost());
      if (cooperative) {
        failed.reset(consumer->incremental_unassign(partitions));
      } else {
        consumer->unassign();
      }
    }
    if (failed) status_.failed(failed->str());
    log(LogLevel::kInfo, "sources",
        error == RdKafka::ERR__ASSIGN_PARTITIONS ? "partitions assigned" : "partitions revoked",
        {{"source", options_.name}, {"partitions", partitions.size()}});
  }

  // Before partitions go: their posts to the disk, as far as that works, and their offsets.
  void give_up(const std::vector<RdKafka::TopicPartition*>& partitions, bool lost) {
    std::map<Partition, std::shared_ptr<Lane>> going;
    for (const auto* one : partitions) {
      const auto lane = lanes_.find({one->topic(), one->partition()});
      if (lane == lanes_.end()) continue;
      going.insert(*lane);
      lanes_.erase(lane);
    }
    drop_pending([&](const Pending& one) {
      return std::any_of(going.begin(), going.end(),
                         [&](const auto& lane) { return lane.second == one.lane; });
    });
    const SteadyTime deadline = context_.clock.steady_now() + kDrainTime;
    for (const auto& [partition, lane] : going) {
      if (!lost) lane->drain(deadline);
      take_counts(*lane);
    }
    Partitions due;
    const Status synced = add_due(going, due);
    if (!synced) status_.failed(synced.error().message);
    if (synced && !lost && !due.empty()) {
      const RdKafka::ErrorCode error = consumer_->commitSync(due.list());
      if (error != RdKafka::ERR_NO_ERROR) status_.failed("commit: " + RdKafka::err2str(error));
    }
    for (const auto& [partition, lane] : going) committed_.erase(partition);
  }

  void event_cb(RdKafka::Event& event) override {
    if (event.type() == RdKafka::Event::EVENT_LOG) {
      log(LogLevel::kDebug, "sources", "librdkafka",
          {{"source", options_.name}, {"said", event.str()}});
      return;
    }
    if (event.type() != RdKafka::Event::EVENT_ERROR) return;
    status_.failed(event.err() == RdKafka::ERR_NO_ERROR
                       ? event.str()
                       : fmt::format("{}: {}", RdKafka::err2str(event.err()), event.str()));
    if (event.err() == RdKafka::ERR__ALL_BROKERS_DOWN) status_.set_state(SourceState::kWaiting);
  }

  void offset_commit_cb(RdKafka::ErrorCode error,
                        std::vector<RdKafka::TopicPartition*>& /*offsets*/) override {
    if (error == RdKafka::ERR_NO_ERROR || error == RdKafka::ERR__NO_OFFSET) return;
    committed_.clear();  // said again with the next tick
    status_.failed("commit: " + RdKafka::err2str(error));
  }

  void dr_cb(RdKafka::Message& message) override {
    const std::unique_ptr<DeadLetter> letter(static_cast<DeadLetter*>(message.msg_opaque()));
    if (message.err() == RdKafka::ERR_NO_ERROR) {
      letter->lane->settled(letter->ticket);
    } else {
      letter->lane->told(letter->ticket, Receipt::kFailed,
                         "dead-letter topic: " + message.errstr());
    }
  }

  const KafkaOptions options_;
  const SourceContext context_;
  SourceStatus status_;
  KafkaDecoder decoder_;
  RejectFile rejects_;
  Backoff backoff_;
  std::deque<Pending> pending_;  // at most the posts of one message
  std::map<Partition, std::shared_ptr<Lane>> lanes_;
  std::map<Partition, std::int64_t> committed_;
  bool paused_ = false;
  std::optional<SteadyTime> behind_since_;
  std::unique_ptr<RdKafka::KafkaConsumer> consumer_;  // before what its callbacks use goes
  std::unique_ptr<RdKafka::Producer> producer_;
};

KafkaSource::KafkaSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaSource::~KafkaSource() = default;

Result<std::unique_ptr<Source>> KafkaSource::create(KafkaOptions options,
                                                    const SourceContext& context) {
  for (const auto& [name, value] : options.properties) {
    if (const Status allowed = check_kafka_property(name); !allowed) {
      return Error{Code::kInvalidArgument,
                   fmt::format("source '{}': {} {}", options.name, name, allowed.error().message)};
    }
  }
  const std::string name = options.name;
  auto impl = std::make_unique<Impl>(std::move(options), context);
  if (const Status checked = impl->check(); !checked) {
    return Error{checked.error().code,
                 fmt::format("source '{}': {}", name, checked.error().message)};
  }
  return std::unique_ptr<Source>(new KafkaSource(std::move(impl)));
}

void KafkaSource::run(const std::stop_token& stop) { impl_->run(stop); }
const SourceStatus& KafkaSource::status() const { return impl_->status(); }

}  // namespace tidewatch
