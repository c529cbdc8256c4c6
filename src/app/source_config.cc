// SPDX-License-Identifier: Apache-2.0
#include "app/source_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <utility>

#include "app/config_secret.h"
#include "app/config_table.h"
#include "sources/make_source.h"

namespace tidewatch {
namespace {

constexpr std::size_t kInFlightMax = 1 << 16;

// One of two words.
void read_choice(ConfigTable& t, const char* key, std::string_view if_false,
                 std::string_view if_true, bool& value) {
  const toml::node* node = t.take(key);
  if (node == nullptr) return;
  const std::string word = node->value_or(std::string{});
  if (word != if_false && word != if_true) {
    return t.fail(*node, key, fmt::format("must be \"{}\" or \"{}\"", if_false, if_true));
  }
  value = word == if_true;
}

void read_properties(ConfigTable& t, std::map<std::string, std::string>& properties) {
  const toml::node* node = t.take("properties");
  if (node == nullptr) return;
  const toml::table* table = node->as_table();
  if (table == nullptr) {
    return t.fail(*node, "properties", "must be a table: properties = {\"client.rack\" = \"a\"}");
  }
  for (const auto& [key, value] : *table) {
    const std::string name{key.str()};
    const auto text = value.value_exact<std::string>();
    if (!text) return t.fail(value, "properties." + name, "must be a string in quotes");
    if (const Status allowed = check_kafka_property(name); !allowed) {
      return t.fail(value, "properties." + name, allowed.error().message);
    }
    properties[name] = *text;
  }
}

KafkaOptions read_kafka(ConfigTable& t, const toml::node& entry, const std::string& name) {
  KafkaOptions kafka;
  kafka.name = name;
  t.text("brokers", kafka.brokers);
  t.texts("topics", kafka.topics, 100);
  t.text("group", kafka.group);
  bool ndjson = false;
  read_choice(t, "format", "json", "ndjson", ndjson);
  kafka.format = ndjson ? KafkaFormat::kNdjson : KafkaFormat::kJson;
  read_choice(t, "start", "earliest", "latest", kafka.from_latest);
  t.text("dead_letter_topic", kafka.dead_letter_topic);
  t.number("in_flight_max", kafka.in_flight_max, 1, kInFlightMax);
  read_properties(t, kafka.properties);
  read_secret(t, "sasl_password", kafka.sasl_password);
  read_secret(t, "ssl_key_password", kafka.ssl_key_password);
  if (kafka.brokers.empty()) t.fail(entry, "brokers", "is missing: \"host:9092,other:9092\"");
  if (kafka.topics.empty()) t.fail(entry, "topics", "is missing: [\"posts\"]");
  if (kafka.group.empty()) t.fail(entry, "group", "must not be empty");
  return kafka;
}

void read_seconds(ConfigTable& t, const char* key, std::chrono::seconds& value, std::uint64_t low,
                  std::uint64_t high) {
  std::uint64_t seconds = static_cast<std::uint64_t>(value.count());
  t.number(key, seconds, low, high);
  value = std::chrono::seconds{seconds};
}

FeedOptions read_feed(ConfigTable& t, const toml::node& entry, const std::string& name) {
  FeedOptions feed;
  feed.name = name;
  t.texts("urls", feed.urls, 200);
  read_seconds(t, "interval_seconds", feed.interval, 1, 86'400);
  t.number("body_bytes_max", feed.body_bytes_max, 1 << 10, 64 << 20);
  t.text("ca_file", feed.ca_file);
  if (feed.urls.empty()) t.fail(entry, "urls", "is missing: [\"https://news.example/rss\"]");
  return feed;
}

JetstreamOptions read_jetstream(ConfigTable& t, const std::string& name) {
  JetstreamOptions bluesky;
  bluesky.name = name;
  t.text("url", bluesky.url);
  t.texts("langs", bluesky.langs, 50);
  t.text("ca_file", bluesky.ca_file);
  read_seconds(t, "rewind_seconds", bluesky.rewind, 0, 3'600);
  return bluesky;
}

MastodonOptions read_mastodon(ConfigTable& t, const toml::node& entry, const std::string& name) {
  MastodonOptions mastodon;
  mastodon.name = name;
  t.text("url", mastodon.url);
  t.text("stream", mastodon.stream);
  t.text("tag", mastodon.tag);
  t.text("list", mastodon.list);
  read_secret(t, "token", mastodon.token);
  t.texts("langs", mastodon.langs, 50);
  t.text("ca_file", mastodon.ca_file);
  read_seconds(t, "overlap_seconds", mastodon.overlap, 0, 86'400);
  constexpr std::array<std::string_view, 5> kStreams{"public", "public/local", "public/remote",
                                                     "hashtag", "list"};
  if (mastodon.url.empty()) t.fail(entry, "url", "is missing: \"https://mastodon.social\"");
  if (std::find(kStreams.begin(), kStreams.end(), mastodon.stream) == kStreams.end()) {
    t.fail(entry, "stream", fmt::format("must be one of {}", fmt::join(kStreams, ", ")));
  }
  if ((mastodon.stream == "hashtag") == mastodon.tag.empty()) {
    t.fail(entry, "tag", "belongs to the stream hashtag: its name without #");
  }
  if ((mastodon.stream == "list") == mastodon.list.empty()) {
    t.fail(entry, "list", "belongs to the stream list: its id");
  }
  return mastodon;
}

SourceOptions read_source(ConfigTable& t, const toml::node& entry, const std::string& type,
                          const std::string& name) {
  if (type == "kafka") return read_kafka(t, entry, name);
  if (type == "rss") return read_feed(t, entry, name);
  if (type == "bluesky") return read_jetstream(t, name);
  if (type == "mastodon") return read_mastodon(t, entry, name);
  t.fail(entry, "type",
         fmt::format("'{}' is not a type; there are kafka, rss, mastodon and bluesky", type));
  return KafkaOptions{};
}

// It is a file's name, a label and a part of ids.
bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 40 &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
             std::string::npos;
}

}  // namespace

Result<std::shared_ptr<const SourceList>> read_sources(const toml::node& node,
                                                       const std::string& file) {
  const toml::array* array = node.as_array();
  if (array == nullptr || !array->is_array_of_tables()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}, line {}: sources must be written as [[sources]]", file,
                             node.source().begin.line)};
  }
  auto list = std::make_shared<SourceList>();
  std::vector<SourceOptions>& sources = list->all;
  for (const toml::node& entry : *array) {
    ConfigTable t(*entry.as_table(), "sources", file);
    std::string type;
    std::string name;
    t.text("type", type);
    t.text("name", name);
    SourceOptions source = read_source(t, entry, type, name);
    if (!is_name(name)) {
      t.fail(entry, "name", "must be of 1 to 40 letters, digits, - and _");
    }
    const bool repeated = std::any_of(sources.begin(), sources.end(), [&](const auto& other) {
      return source_name(other) == name;
    });
    if (repeated) t.fail(entry, "name", fmt::format("'{}' is taken", name));
    if (sources.size() >= kSourcesMax) {
      t.fail(entry, "name", fmt::format("there may be {} sources", kSourcesMax));
    }
    TRY(t.finish());
    sources.push_back(std::move(source));
  }
  return std::shared_ptr<const SourceList>(std::move(list));
}

}  // namespace tidewatch
