// SPDX-License-Identifier: Apache-2.0
// Against librdkafka's own mock cluster, for what a real broker cannot show at will: a full engine,
// a disk that fails. tests/e2e/kafka_test.py has the real one.
#include "sources/kafka_source.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <librdkafka/rdkafkacpp.h>

#include <thread>

#include "sources/testing/fake_sink.h"

namespace tidewatch {
namespace {

constexpr char kTopic[] = "posts";

class KafkaSourceTest : public ::testing::Test {
 protected:
  KafkaSourceTest() {
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    rd_kafka_mock_topic_create(cluster_, kTopic, 1, 1);
  }
  ~KafkaSourceTest() override {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }

  void produce(int first, int count) {
    std::string why;
    const std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
    conf->set("bootstrap.servers", brokers(), why);
    const std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(conf.get(), why));
    for (int n = first; n < first + count; ++n) {
      std::string value = R"({"text":"x","id":"p)" + std::to_string(n) + "\"}";
      ASSERT_EQ(producer->produce(kTopic, 0, RdKafka::Producer::RK_MSG_COPY, value.data(),
                                  value.size(), nullptr, 0, 0, nullptr),
                RdKafka::ERR_NO_ERROR);
    }
    ASSERT_EQ(producer->flush(60'000), RdKafka::ERR_NO_ERROR);
  }
  std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

  void start(std::size_t in_flight_max = 10) {
    KafkaOptions options;
    options.name = "feed";
    options.brokers = brokers();
    options.topics = {kTopic};
    options.in_flight_max = in_flight_max;
    source_ = KafkaSource::create(options, {clock_, sink_, pauser_, DecodeLimits{}, folder_.path()})
                  .value();
    thread_ = std::jthread([this](const std::stop_token& stop) { source_->run(stop); });
  }
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  // Looks until it is so; the whole test's time-out is the bound.
  template <typename F>
  void until(F&& holds) {
    while (!holds()) std::this_thread::yield();
  }
  SourceStatus::View view() const { return source_->status().view(); }

  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  SystemClock clock_;
  SystemPauser pauser_;
  FakeSink sink_;
  TestFolder folder_;
  std::unique_ptr<Source> source_;
  std::jthread thread_;
};

TEST_F(KafkaSourceTest, AnEngineThatIsBehindPausesIt) {
  produce(0, 100);
  sink_.hold(1'000);
  start(/*in_flight_max=*/10);
  sink_.wait_for_held(10);
  until([&] { return view().state == SourceState::kBehind; });
  EXPECT_EQ(sink_.held_max(), 10U);  // one message at a time: not one post over the bound
  EXPECT_EQ(view().slowed, 1U);
  sink_.release();
  sink_.wait_for_stored(100);
  until([&] { return view().state == SourceState::kRunning; });
  EXPECT_EQ(sink_.duplicates(), 0U);
  stop();
}

TEST_F(KafkaSourceTest, ASinkThatRefusesLosesNothing) {
  produce(0, 100);
  sink_.hold(3);  // full before the source's own bound
  start(/*in_flight_max=*/10);
  sink_.wait_for_held(3);
  until([&] { return view().state == SourceState::kBehind; });
  EXPECT_EQ(sink_.held_max(), 3U);
  sink_.release();
  sink_.wait_for_stored(100);
  stop();
  const auto stored = sink_.stored();
  for (std::size_t i = 0; i < stored.size(); ++i) EXPECT_EQ(stored[i].id, "p" + std::to_string(i));
}

TEST_F(KafkaSourceTest, WhatIsNotOnDiskIsReadAgain) {
  produce(0, 20);
  start();
  sink_.wait_for_stored(20);
  sink_.fail(true);
  produce(20, 20);
  sink_.wait_for_failures(1);
  until([&] { return view().last_error.find("disk full") != std::string::npos; });
  sink_.fail(false);
  sink_.wait_for_stored(40);
  stop();
  EXPECT_EQ(sink_.stored().size(), 40U);
  // What was stored before the failure was committed: it did not come again.
  EXPECT_EQ(sink_.duplicates(), 0U);
}

TEST_F(KafkaSourceTest, AStopWhileTheEngineIsFullCommitsOnlyWhatIsOnDisk) {
  produce(0, 30);
  start();
  sink_.wait_for_stored(30);
  sink_.hold(2);
  produce(30, 10);
  sink_.wait_for_held(2);
  const std::stop_token stopping = thread_.get_stop_token();
  std::jthread later([&] {  // the two that were taken get to the disk while it stops
    until([&] { return stopping.stop_requested(); });
    sink_.release();
  });
  stop();
  later.join();
  EXPECT_EQ(view().state, SourceState::kStopped);
  const std::size_t before = sink_.stored().size();
  EXPECT_LT(before, 40U);
  start();
  sink_.wait_for_stored(40);
  stop();
  EXPECT_EQ(sink_.duplicates(), 0U);
}

}  // namespace
}  // namespace tidewatch
