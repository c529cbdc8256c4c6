// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <string_view>

#include "app/config_option.h"

namespace tidewatch {
namespace {

struct Words {
  std::string_view option;  // section.key
  std::string_view words;
  std::string_view example;  // instead of the default, where the reader has that in another form
};

constexpr std::array kWords = {
    Words{"server.bind", "address to listen on; only this machine unless changed", ""},
    Words{"server.port", "0: any free port", ""},
    Words{"server.connections_max", "more are answered 503", ""},
    Words{"server.allowed_hosts", "names by which it may be called, besides those of the loopback",
          ""},
    Words{"server.allowed_origins", "web pages that may change state, besides its own", ""},
    Words{"server.deadline_ms", "from a post's arrival to the disk: what the P99 is held against",
          ""},
    Words{"server.public_url", "of the dashboard, for links in messages", ""},
    Words{"grpc.enabled", "", ""},
    Words{"grpc.port", "0: any free port; the address is that of [server]", ""},
    Words{"grpc.calls_max", "calls and streams at once", ""},
    Words{"grpc.message_bytes_max", "of one message", ""},
    Words{"data.dir", "folder for posts, counts and alerts; one engine at a time",
          "\"tidewatch-data\""},
    Words{"data.retention_days", "posts and counts", ""},
    Words{"data.bytes_max", "the oldest posts go when the store passes this", ""},
    Words{"model.name", "\"fast\", \"base\", \"auto\" (fast, and base where in doubt) or \"none\"",
          ""},
    Words{"model.dir", "folder of models; empty: the bundled ones", ""},
    Words{"model.precision",
          "\"fp32\", \"int8\", or \"auto\": INT8 where it pays on this processor", "\"fp32\""},
    Words{"model.backend", "\"auto\", \"native\", \"openvino\" or \"tensorrt\"", "\"auto\""},
    Words{"model.instances", "texts computed at once; 0: one for each core", ""},
    Words{
        "model.lanes",
        "TensorRT: runs on the GPU at once, 0 to 8 (0: its own choice), or by model: { base = 2 }",
        "0"},
    Words{"model.cache_bytes_max", "scores of texts seen before; 0: none", ""},
    Words{"model.engines_dir", "where swaps find engines; empty: engines/ in the data folder", ""},
    Words{"ingest.posts_in_flight_max", "between arrival and disk; more are answered 429", ""},
    Words{"ingest.line_bytes_max", "of one post as JSON", ""},
    Words{"ingest.text_bytes_max", "of its text", ""},
    Words{"ingest.field_bytes_max", "of each other member", ""},
    Words{"ingest.extra_bytes_max", "of unknown members together", ""},
    Words{"ingest.body_bytes_max", "of one request", ""},
    Words{"watch.keywords", "followed terms, each a key of its own, such as [\"退款\", \"地震\"]",
          ""},
    Words{"watch.keys_max", "counted at once; the coldest goes first", ""},
    Words{"watch.sources", "feeds watched as a whole, each as a rule source:NAME", ""},
    Words{"watch.emotions", "emotions watched as a whole, such as [\"negative\"]", ""},
    Words{"watch.rules_dir", "a folder of *.toml with [[rule]]; empty: none", ""},
    Words{"watch.topic_probability_min",
          "a less probable topic counts as unknown, or as its cascade's", ""},
    Words{"watch.lateness_seconds", "how long a second stays open for late posts", ""},
    Words{"watch.settle_seconds",
          "how long detection waits for them; later ones count for the next second", ""},
    Words{"detect.volume_threshold", "for all keys at once; higher: fewer, later alerts", "11.0"},
    Words{"detect.volume_thresholds", "by how busy a key is: up to 0.2, 2, 20, 200 posts/min, more",
          ""},
    Words{"detect.burst_thresholds", "likewise, of the second statistic", ""},
    Words{"detect.negative_threshold", "for the share of negative posts", ""},
    Words{"detect.thresholds_file", "of `tidewatch calibrate-alerts --output`; empty: none", ""},
    Words{"detect.authors_min", "distinct authors before anything is a wave", ""},
    Words{"detect.excess_min", "of them above what was to be expected", ""},
    Words{"log.level", "debug, info, warning, error or off", "\"info\""},
    Words{"log.format", "\"auto\": text on a terminal, else json", "\"auto\""},
    Words{"cascade.emotion_margin", "in doubt: the two best probabilities are less apart; 0: never",
          ""},
    Words{"cascade.topic_margin", "the same for topics", ""},
    Words{"cascade.queue_tokens_max", "token ids before base in a live stream", ""},
    Words{"cascade.instances",
          "texts in base at once; 0: one for each core, half of that when live", ""},
    Words{"batch.window_ms", "GPU: the longest wait for a batch to fill", "10"},
    Words{"batch.fallback_ms", "GPU: the wait without measured times", "20"},
    Words{"batch.batch_max", "texts of one run", ""},
    Words{"batch.batch_min", "", ""},
    Words{"batch.bucket_items_max", "texts of classify requests waiting in one length bucket", ""},
    Words{"batch.run_time_us", "CPU: a free core takes texts for so long a run", ""},
    Words{"batch.safety_us", "GPU: a batch starts so long before its latest safe start", ""},
    Words{"swap.agreement_min", "share of golden texts labelled as by the old model, of each task",
          ""},
    Words{"swap.latency_ratio_max", "of a golden text, new over old; 0: any", ""},
    Words{"swap.accuracy_drop_max", "on the labelled golden texts, of each task", ""},
    Words{"swap.golden_file", "your own golden texts; empty: the bundled ones", ""},
    Words{"canary.accuracy_drop_max", "on the probe set, of either task: rolled back", ""},
    Words{"canary.probes_min", "labelled texts without which that says nothing", ""},
    Words{"canary.error_rate_max", "of the candidate's runs: rolled back", ""},
    Words{"canary.runs_min", "runs without which that says nothing", ""},
    Words{"canary.latency_ratio_max", "P99 of a run, candidate over live: rolled back; 0: any", ""},
    Words{"canary.latency_runs_min", "of each side, without which that says nothing", ""},
    Words{"canary.promote_after", "promoted after so many texts compared; 0: never", ""},
    Words{"canary.probe_seconds", "how often the probe set is run", ""},
};

const Words* find_words(const std::string& section, const std::string& key) {
  const std::string option = section + "." + key;
  for (const Words& words : kWords) {
    if (words.option == option) return &words;
  }
  return nullptr;
}

std::string_view section_words(std::string_view section) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kSections{
      {{"server", "HTTP: API, dashboard and metrics"},
       {"grpc", "gRPC"},
       {"data", "what is kept on disk"},
       {"model", "what classifies (docs/models.md)"},
       {"ingest", "bounds of what comes in"},
       {"watch",
        "what is counted and watched besides topics, regions and hashtags (docs/rules.md)"},
       {"detect", "when something is an alert (docs/detection.md)"},
       {"log", "on standard error"},
       {"cascade", "for the model \"auto\""},
       {"batch", "how texts are put into runs (docs/serving.md)"},
       {"swap", "when a swap of engines is refused (docs/serving.md)"},
       {"canary", "when a canary ends by itself"}}};
  for (const auto& [name, words] : kSections) {
    if (name == section) return words;
  }
  return "";
}

constexpr std::string_view kHead = R"(# Tidewatch: configuration. Written by `tidewatch init`.
#   tidewatch serve --config tidewatch.toml
# Every option stands here with its default; take the first '#' of a line away to change it. The command line stands over
# the file. `tidewatch doctor --config tidewatch.toml` checks file and machine. More: docs/configuration.md.
)";

constexpr std::string_view kLists = R"(
# Topics of your own for rules: groups of topics.
#[topics]
#money = ["finance", "house"]

# A rule: a Boolean query with a key and alerts of its own (docs/rules.md). Any number.
#[[rule]]
#name = "退款潮"
#query = '退款 OR 退钱 -广告'

# Posts that the engine fetches itself: kafka, rss and others (docs/sources.md has the keys of each).
#[[sources]]
#type = "kafka"
#name = "weibo"
#brokers = "127.0.0.1:9092"
#topics = ["posts"]

# Where alerts go: webhook, dingtalk, wecom, feishu, slack, telegram, email (docs/alerts.md has the keys of each).
#[[channel]]
#type = "webhook"
#name = "desk"
#url = "https://desk.example/hook"

# Who is told what, and when not (docs/alerts.md). None: every channel is told of everything.
#[[subscriber]]
#name = "duty"
#channels = ["desk"]
#severity_min = "warning"
#time_zone = "Asia/Shanghai"
#quiet_hours = ["22:00-07:00"]

# Reports that are made by themselves (docs/reports.md).
#[[reports]]
#name = "日报"
#at = "08:30"
#every = "day"
#channels = ["desk"]
)";

}  // namespace

std::string config_words(const std::string& section, const std::string& key) {
  const Words* const words = find_words(section, key);
  return words == nullptr ? std::string{} : std::string(words->words.empty() ? key : words->words);
}

std::string config_template() {
  std::string out(kHead);
  std::string section;
  for (const ConfigOption& option : config_options()) {
    if (option.section != section) {
      section = option.section;
      out += fmt::format("\n# {}\n[{}]\n", section_words(section), section);
    }
    const Words* const words = find_words(option.section, option.key);
    const bool example = words != nullptr && !words->example.empty();
    const std::string value = example ? std::string(words->example) : option.standard;
    std::string note = words == nullptr ? std::string{} : std::string(words->words);
    if (!option.allowed.empty()) note += (note.empty() ? "" : "; ") + option.allowed;
    out += note.empty() ? fmt::format("#{} = {}\n", option.key, value)
                        : fmt::format("#{:<34} # {}\n", option.key + " = " + value, note);
  }
  return out + std::string(kLists);
}

}  // namespace tidewatch
