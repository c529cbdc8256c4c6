// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/result.h"
#include "sources/feed_source.h"
#include "sources/jetstream_source.h"
#include "sources/kafka_options.h"
#include "sources/mastodon_source.h"
#include "sources/source.h"

namespace tidewatch {

using SourceOptions = std::variant<KafkaOptions, FeedOptions, JetstreamOptions, MastodonOptions>;
// Those of a configuration; a type of its own, so that others can name it without the options.
struct SourceList {
  std::vector<SourceOptions> all;
};

const std::string& source_name(const SourceOptions& options);

// kInvalidArgument: the options cannot be used; the message names the source and says why.
Result<std::unique_ptr<Source>> make_source(const SourceOptions& options,
                                            const SourceContext& context);

}  // namespace tidewatch
