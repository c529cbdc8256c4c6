// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/result.h"
#include "sources/kafka_options.h"
#include "sources/source.h"

namespace tidewatch {

// Reads topics as a member of a consumer group (librdkafka). Offsets are committed once the posts
// before them are on disk: each second, when partitions go to another member (up to 10 s are waited
// for their posts), and at the end. After a crash, or when a post cannot be stored, it begins again
// after the last commit, and the store knows posts by their ids.
//
// A message that is no post is kept in NAME.rejected.ndjson, sent to the dead-letter topic when
// there is one, counted, and passed. When in_flight_max posts wait for the disk for 200 ms the
// partitions are paused, until half of them are there.
// Bounds: in_flight_max and one message; librdkafka's queue, 16 MiB a partition.
class KafkaSource final : public Source {
 public:
  // kInvalidArgument: librdkafka refuses the options; the message names the property.
  static Result<std::unique_ptr<Source>> create(KafkaOptions options, const SourceContext& context);
  ~KafkaSource() override;

  void run(const std::stop_token& stop) override;
  const SourceStatus& status() const override;

 private:
  class Impl;
  explicit KafkaSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch
