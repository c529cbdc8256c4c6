// SPDX-License-Identifier: Apache-2.0
#include "sources/make_source.h"

#include "sources/kafka_source.h"

namespace tidewatch {
namespace {

struct Maker {
  const SourceContext& context;

  Result<std::unique_ptr<Source>> operator()(const KafkaOptions& options) const {
    return KafkaSource::create(options, context);
  }
  Result<std::unique_ptr<Source>> operator()(const FeedOptions& options) const {
    return FeedSource::create(options, context, make_http_fetch());
  }
  Result<std::unique_ptr<Source>> operator()(const JetstreamOptions& options) const {
    return JetstreamSource::create(options, context, make_web_socket());
  }
  Result<std::unique_ptr<Source>> operator()(const MastodonOptions& options) const {
    return MastodonSource::create(options, context, make_http_fetch(), make_http_fetch());
  }
};

}  // namespace

const std::string& source_name(const SourceOptions& options) {
  return std::visit([](const auto& one) -> const std::string& { return one.name; }, options);
}

Result<std::unique_ptr<Source>> make_source(const SourceOptions& options,
                                            const SourceContext& context) {
  return std::visit(Maker{context}, options);
}

}  // namespace tidewatch
