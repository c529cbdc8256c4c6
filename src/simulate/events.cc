// SPDX-License-Identifier: Apache-2.0
// Reads events files. TOML and JSON both become a list of RawEvent; one function checks those.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <variant>

#include "simulate/people.h"
#include "simulate/simulator.h"
#include "simulate/topics.h"

namespace tidewatch {
namespace {

struct Other {};  // a value of a type that no field has
using RawValue = std::variant<Other, std::string, double, std::vector<std::string>>;

struct RawField {
  std::string name;
  RawValue value;
  std::uint32_t line = 0;
};

struct RawEvent {
  std::uint32_t line = 0;
  std::vector<RawField> fields;
};

constexpr std::array<std::string_view, 12> kFields = {
    "name",           "topic", "regions", "start", "duration", "posts",
    "negative_share", "kind",  "hashtag", "mood",  "subject",  "details"};
constexpr std::array<std::string_view, 3> kKinds = {"wave", "copypaste", "happy"};
constexpr std::array<std::string_view, 3> kMoods = {"angry", "fear", "sad"};
constexpr double kSecondsMax = 366.0 * 86400;

Error fail(std::string_view file, std::uint32_t line, std::string_view what) {
  return Error{Code::kInvalidArgument, fmt::format("{}:{}: {}", file, line, what)};
}

// ---- TOML ----

RawValue read_toml(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto whole = node.value_exact<std::int64_t>()) return static_cast<double>(*whole);
  if (const auto number = node.value_exact<double>()) return *number;
  if (const toml::array* array = node.as_array()) {
    std::vector<std::string> list;
    for (const toml::node& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text) return Other{};
      list.push_back(*text);
    }
    return list;
  }
  return Other{};
}

Result<std::vector<RawEvent>> read_toml_events(std::string_view text, std::string_view file) {
  toml::table parsed;
  try {
    parsed = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(file, error.source().begin.line,
                fmt::format("not valid TOML: {}", error.description()));
  }
  std::vector<RawEvent> events;
  for (const auto& [key, node] : parsed) {
    const std::uint32_t line = node.source().begin.line;
    if (key.str() != "event") {
      return fail(file, line,
                  fmt::format("unknown key '{}'; the file is a list of [[event]]", key.str()));
    }
    const toml::array* array = node.as_array();
    if (array == nullptr) return fail(file, line, "write [[event]] with two brackets");
    for (const toml::node& item : *array) {
      const toml::table* table = item.as_table();
      if (table == nullptr) return fail(file, item.source().begin.line, "an event is a table");
      RawEvent event{table->source().begin.line, {}};
      for (const auto& [field, value] : *table) {
        event.fields.push_back(
            {std::string(field.str()), read_toml(value), value.source().begin.line});
      }
      events.push_back(std::move(event));
    }
  }
  return events;
}

// ---- JSON ----

class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  Result<std::vector<RawEvent>> read() {
    simdjson::ondemand::document document;
    if (const auto error = parser_.iterate(text_).get(document)) return broken(error);
    std::vector<RawEvent> events;
    simdjson::ondemand::array array;
    if (const auto error = document.get_array().get(array)) {
      if (error != simdjson::INCORRECT_TYPE)
        return broken(error, line_of(text_.data() + text_.size()));
      return fail(file_, 1, "a JSON events file is an array of objects");
    }
    for (auto item : array) {
      simdjson::ondemand::object object;
      const std::uint32_t line = line_here(document);
      if (const auto error = item.get_object().get(object)) {
        if (error == simdjson::INCORRECT_TYPE) return fail(file_, line, "an event is an object");
        return broken(error, line);
      }
      events.push_back({line, {}});
      for (auto field : object) {
        TRY_ASSIGN(RawField raw, read_field(field, document));
        events.back().fields.push_back(std::move(raw));
      }
    }
    // Reading on demand stops at the end of the array: the whole text must be one JSON value.
    simdjson::dom::parser whole;
    if (const auto error = whole.parse(text_).error()) {
      return broken(error, line_of(text_.data() + text_.size()));
    }
    return events;
  }

 private:
  Error broken(simdjson::error_code error, std::uint32_t line = 1) const {
    return fail(file_, line, fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  }

  std::uint32_t line_of(const char* at) const {
    const char* begin = text_.data();
    const char* end = std::clamp(at, begin, begin + text_.size());
    return 1 + static_cast<std::uint32_t>(std::count(begin, end, '\n'));
  }

  std::uint32_t line_here(simdjson::ondemand::document& document) const {
    const char* at = nullptr;
    return document.current_location().get(at) == simdjson::SUCCESS ? line_of(at) : 1;
  }

  Result<RawField> read_field(simdjson::simdjson_result<simdjson::ondemand::field> field,
                              simdjson::ondemand::document& document) {
    RawField raw;
    raw.line = line_here(document);
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return broken(error, raw.line);
    raw.name = key;
    simdjson::ondemand::value value;
    simdjson::ondemand::json_type type{};
    if (const auto error = field.value().get(value)) return broken(error, raw.line);
    if (const auto error = value.type().get(type)) return broken(error, raw.line);
    std::string_view text;
    if (type == simdjson::ondemand::json_type::string) {
      if (const auto error = value.get_string().get(text)) return broken(error, raw.line);
      raw.value = std::string(text);
    } else if (type == simdjson::ondemand::json_type::number) {
      double number = 0;
      if (const auto error = value.get_double().get(number)) return broken(error, raw.line);
      raw.value = number;
    } else if (type == simdjson::ondemand::json_type::array) {
      std::vector<std::string> list;
      for (auto item : value.get_array()) {
        const auto error = item.get_string().get(text);
        if (error == simdjson::INCORRECT_TYPE) return raw;
        if (error) return broken(error, raw.line);
        list.emplace_back(text);
      }
      raw.value = std::move(list);
    }
    return raw;
  }

  simdjson::padded_string text_;
  std::string_view file_;
  simdjson::ondemand::parser parser_;
};

// ---- checks ----

// Takes the fields of one event, each with its own complaint.
class EventReader {
 public:
  EventReader(const RawEvent& raw, std::size_t number, std::string_view file)
      : raw_(raw), file_(file), label_(fmt::format("event {}", number)) {
    if (const RawField* field = find("name")) {
      if (const auto* text = std::get_if<std::string>(&field->value)) {
        label_ += fmt::format(" ({})", *text);
      }
    }
  }

  Result<PlantedEvent> read() {
    TRY(check_names());
    PlantedEvent event;
    TRY(text("name", event.name, true));
    TRY(one_of("topic", std::span(kSimulatedTopics).first(kNumNewsTopics), event.topic, true));
    TRY(one_of("kind", kKinds, event.kind, true));
    TRY(one_of("mood", kMoods, event.mood, false));
    TRY(list("regions", 35, event.regions));
    for (const std::string& region : event.regions) {
      if (find_region(region) < 0) {
        return complain("regions", fmt::format("'{}' is no region; write a province as in 广东, "
                                               "北京, 内蒙古, or 海外",
                                               region));
      }
    }
    double seconds = 0;
    TRY(whole("start", 0, kSecondsMax, seconds));
    event.start = std::chrono::seconds(static_cast<std::int64_t>(seconds));
    TRY(whole("duration", 1, kSecondsMax, seconds));
    event.duration = std::chrono::seconds(static_cast<std::int64_t>(seconds));
    double posts = 0;
    TRY(whole("posts", 1, static_cast<double>(kEventPostsMax), posts));
    event.posts = static_cast<std::uint64_t>(posts);
    TRY(number("negative_share", 0, 1, event.negative_share));
    event.hashtag = event.name;
    TRY(text("hashtag", event.hashtag, false));
    if (event.hashtag.find('#') != std::string::npos) {
      return complain("hashtag", "leave out the # signs");
    }
    event.subject = event.hashtag;
    TRY(text("subject", event.subject, false));
    TRY(list("details", kEventDetailsMax, event.details));
    return event;
  }

 private:
  const RawField* find(std::string_view name) const {
    for (const RawField& field : raw_.fields) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }

  Error complain(std::string_view name, std::string_view what) const {
    const RawField* field = find(name);
    return fail(file_, field != nullptr ? field->line : raw_.line,
                fmt::format("{}: field '{}': {}", label_, name, what));
  }

  Status check_names() const {
    for (std::size_t i = 0; i < raw_.fields.size(); ++i) {
      const std::string& name = raw_.fields[i].name;
      if (index_of(kFields, name) == kFields.size()) {
        return complain(name, fmt::format("unknown; the fields are {}", fmt::join(kFields, ", ")));
      }
      if (find(name) != &raw_.fields[i]) return complain(name, "given twice");
    }
    return {};
  }

  Status check_text(std::string_view name, const std::string& value) const {
    if (value.empty()) return complain(name, "must not be empty");
    if (value.size() > kEventTextBytesMax) {
      return complain(name, fmt::format("longer than {} bytes", kEventTextBytesMax));
    }
    const bool control = std::any_of(value.begin(), value.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
    if (control) return complain(name, "must not hold control characters or line ends");
    if (!simdjson::validate_utf8(value)) return complain(name, "is not valid UTF-8");
    return {};
  }

  Status text(std::string_view name, std::string& out, bool required) const {
    const RawField* field = find(name);
    if (field == nullptr) return required ? Status(complain(name, "missing")) : Status();
    const auto* value = std::get_if<std::string>(&field->value);
    if (value == nullptr) return complain(name, "must be a string");
    TRY(check_text(name, *value));
    out = *value;
    return {};
  }

  Status one_of(std::string_view name, std::span<const std::string_view> choices, std::string& out,
                bool required) const {
    TRY(text(name, out, required));
    if (std::find(choices.begin(), choices.end(), out) == choices.end()) {
      return complain(name, fmt::format("'{}' is not one of {}", out, fmt::join(choices, ", ")));
    }
    return {};
  }

  Status number(std::string_view name, double least, double most, double& out) const {
    const RawField* field = find(name);
    if (field == nullptr) return complain(name, "missing");
    const auto* value = std::get_if<double>(&field->value);
    if (value == nullptr) return complain(name, "must be a number");
    if (!(*value >= least && *value <= most)) {
      return complain(name, fmt::format("{} is not from {} to {}", *value, least, most));
    }
    out = *value;
    return {};
  }

  Status whole(std::string_view name, double least, double most, double& out) const {
    TRY(number(name, least, most, out));
    if (out != std::floor(out)) return complain(name, "must be a whole number");
    return {};
  }

  Status list(std::string_view name, std::size_t count_max, std::vector<std::string>& out) const {
    const RawField* field = find(name);
    if (field == nullptr) return {};
    const auto* value = std::get_if<std::vector<std::string>>(&field->value);
    if (value == nullptr) return complain(name, "must be a list of strings");
    if (value->size() > count_max) {
      return complain(name, fmt::format("has more than {} entries", count_max));
    }
    for (const std::string& item : *value) TRY(check_text(name, item));
    out = *value;
    return {};
  }

  const RawEvent& raw_;
  std::string_view file_;
  std::string label_;
};

bool looks_like_json(std::string_view text, std::string_view file) {
  if (file.ends_with(".json")) return true;
  if (file.ends_with(".toml")) return false;
  std::string start;
  for (const char c : text.substr(0, 4096)) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') start += c;
    if (start.size() == 2) break;
  }
  return start.starts_with('{') || start == "[{" || start == "[]";
}

}  // namespace

Result<std::vector<PlantedEvent>> parse_events(std::string_view text, std::string_view file) {
  if (text.size() > kEventsFileBytesMax) {
    return fail(file, 1, fmt::format("larger than {} bytes", kEventsFileBytesMax));
  }
  std::vector<RawEvent> raw;
  if (looks_like_json(text, file)) {
    TRY_ASSIGN(raw, JsonReader(text, file).read());
  } else {
    TRY_ASSIGN(raw, read_toml_events(text, file));
  }
  if (raw.size() > kEventsMax) {
    return fail(file, raw[kEventsMax].line, fmt::format("more than {} events", kEventsMax));
  }
  std::vector<PlantedEvent> events;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    TRY_ASSIGN(PlantedEvent event, EventReader(raw[i], i + 1, file).read());
    for (const PlantedEvent& other : events) {
      if (other.name == event.name) {
        return fail(file, raw[i].line,
                    fmt::format("event {}: field 'name': '{}' is taken by an earlier event", i + 1,
                                event.name));
      }
    }
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace tidewatch
