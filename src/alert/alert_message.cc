// SPDX-License-Identifier: Apache-2.0
#include "alert/alert_message.h"

#include <nlohmann/json.hpp>

#include "core/rfc3339.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

}  // namespace

std::string shorten(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  constexpr std::string_view kMore = "…";
  std::size_t end = bytes_max > kMore.size() ? bytes_max - kMore.size() : 0;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)).append(kMore);
}

std::string to_json(const AlertMessage& message) {
  Json object = Json::parse(to_json(message.alert));
  object["event"] = message.event;
  if (!message.note.empty()) object["note"] = message.note;
  if (!message.link.empty()) object["link"] = message.link;
  Json posts = Json::array();
  for (const ShownPost& post : message.evidence_posts) {
    posts.push_back({{"id", post.id},
                     {"text", post.text},
                     {"author", post.author},
                     {"url", post.url},
                     {"time", to_rfc3339(post.time)}});
  }
  object["evidence_posts"] = std::move(posts);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<AlertMessage> message_from_json(std::string_view json) {
  TRY_ASSIGN(Alert alert, alert_from_json(json));
  const Json object = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  AlertMessage message{std::move(alert),
                       text_of(object, "event"),
                       text_of(object, "note"),
                       text_of(object, "link"),
                       {}};
  const auto posts = object.find("evidence_posts");
  if (posts == object.end() || !posts->is_array()) return message;
  for (const Json& post : *posts) {
    if (!post.is_object() || message.evidence_posts.size() >= kMessagePostsMax) continue;
    message.evidence_posts.push_back({text_of(post, "id"), text_of(post, "text"),
                                      text_of(post, "author"), text_of(post, "url"),
                                      parse_rfc3339(text_of(post, "time")).value_or(EventTime{})});
  }
  return message;
}

}  // namespace tidewatch
