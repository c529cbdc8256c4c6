// SPDX-License-Identifier: Apache-2.0
#include "sources/feed_parser.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "core/rfc3339.h"
#include "ingest/post_rules.h"
#include "sources/html_text.h"
#include "sources/sheet_date.h"
#include "sources/text_encoding.h"
#include "sources/xml_reader.h"

namespace tidewatch {
namespace {

constexpr std::size_t kDeclarationBytes = 200;
constexpr std::size_t kTextBytesMax = 32 << 20;  // of all entries together
constexpr std::chrono::minutes kChina{8 * 60};   // of dates that name no offset

std::optional<EventTime> parse_feed_time(const std::string& text) {
  if (const auto time = parse_table_time(text, kChina)) return time;
  const std::time_t seconds = ::curl_getdate(text.c_str(), nullptr);  // RFC 822 and its relatives
  if (seconds <= 0 || seconds * 1'000 >= kPostTimeEndMs) return std::nullopt;
  return EventTime{std::chrono::seconds{seconds}};
}

// The value of NAME=… in a header or declaration.
std::string parameter(std::string_view text, std::string_view name) {
  std::size_t at = text.find(name);
  if (at == std::string_view::npos) return {};
  at = text.find_first_not_of("=\"' ", at + name.size());
  if (at == std::string_view::npos) return {};
  const std::size_t end = text.find_first_of("\"';, ?>", at);
  return std::string(text.substr(at, end == std::string_view::npos ? end : end - at));
}

// As UTF-8 that XML allows.
Result<std::string> decoded(std::string_view bytes, std::string_view content_type) {
  std::string encoding = parameter(content_type, "charset");
  const TextEncoding guessed = guess_encoding(bytes.substr(0, kDeclarationBytes));
  if (guessed == TextEncoding::kUtf16Le || guessed == TextEncoding::kUtf16Be) {
    encoding = encoding_name(guessed);
  }
  if (encoding.empty()) encoding = parameter(bytes.substr(0, kDeclarationBytes), "encoding");
  if (encoding.empty()) encoding = "utf-8";
  TRY_ASSIGN(const auto decoder, TextDecoder::create(encoding));
  std::string text;
  decoder->decode(bytes, true, text);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') c = ' ';
  }
  return text;
}

// Gathers entries as the document streams by.
class FeedHandler {
 public:
  XmlReader::Handler handler() {
    return {[this](const XmlReader::Element& element) { start(element); },
            [this](std::string_view, std::string_view name) { end(name); },
            [this](std::string_view text) { take(text); },
            [this](std::string_view entity) { take(html_entity(entity)); }};
  }
  bool is_feed() const { return is_feed_; }
  bool too_large() const { return bytes_ > kTextBytesMax; }
  std::vector<FeedEntry> entries() { return std::move(entries_); }

 private:
  void start(const XmlReader::Element& element) {
    ++depth_;
    if (depth_ == 1) {
      is_feed_ = element.name == "rss" || element.name == "RDF" || element.name == "feed";
    }
    if (entry_depth_ == 0) {
      if ((element.name == "item" || element.name == "entry") &&
          entries_.size() < kFeedEntriesMax) {
        entry_depth_ = depth_;
        parts_ = {};
      }
      return;
    }
    if (field_depth_ > 0) {
      // Markup within a text (Atom's xhtml): only where its words end matters.
      if (field_ != nullptr && depth_ > field_depth_) append(*field_, " ");
      return;
    }
    if (depth_ == entry_depth_ + 2 && element.name == "name" && in_author_) {
      begin(&parts_.author);
      return;
    }
    if (depth_ == entry_depth_ + 1) start_member(element);
  }

  void start_member(const XmlReader::Element& element) {
    const std::string_view name = element.name;
    const bool media = element.prefix == "media" || element.prefix == "itunes";
    if (media) return;
    if (name == "title") return begin(&parts_.title);
    if (name == "guid" || name == "id") return begin(&parts_.id);
    if (name == "encoded" || name == "content") return begin(&parts_.content);
    if (name == "description" || name == "summary") return begin(&parts_.summary);
    if (name == "pubDate" || name == "date" || name == "published" || name == "issued") {
      return begin(&parts_.published);
    }
    if (name == "updated" || name == "modified") return begin(&parts_.updated);
    if (name == "creator") return begin(&parts_.author);
    if (name == "author") {
      in_author_ = true;  // Atom has a name within; RSS the name itself
      return;
    }
    if (name != "link") return;
    const auto href = element.attributes.find("href");
    if (href == element.attributes.end()) return begin(&parts_.link);
    const auto relation = element.attributes.find("rel");
    const bool main = relation == element.attributes.end() || relation->second == "alternate";
    if (main && parts_.link.empty()) append(parts_.link, href->second);
  }

  void begin(std::string* field) {
    field->clear();
    field_ = field;
    field_depth_ = depth_;
  }

  void take(std::string_view text) {
    if (field_ != nullptr) append(*field_, text);
    if (field_ == nullptr && in_author_ && depth_ == entry_depth_ + 1) append(parts_.author, text);
  }

  void append(std::string& field, std::string_view text) {
    if (field.size() >= kFieldBytesMax || too_large()) return;
    bytes_ += text.size();
    field += text;
  }

  void end(std::string_view name) {
    if (depth_ == field_depth_) {
      field_ = nullptr;
      field_depth_ = 0;
    }
    if (name == "author" && depth_ == entry_depth_ + 1) in_author_ = false;
    if (depth_ == entry_depth_ && entry_depth_ > 0) {
      entry_depth_ = 0;
      finish_entry();
    }
    --depth_;
  }

  void finish_entry() {
    FeedEntry entry;
    const std::string title = html_text(parts_.title);
    const std::string body = html_text(parts_.content.empty() ? parts_.summary : parts_.content);
    // Microblogs as feeds repeat the text's start as its title.
    std::string_view start = title;
    if (start.ends_with("…")) start.remove_suffix(std::string_view("…").size());
    entry.text = title.empty() || body.starts_with(start) ? body : title;
    if (!title.empty() && !body.empty() && !body.starts_with(start)) entry.text += "\n" + body;
    entry.link = html_text(parts_.link);
    entry.author = html_text(parts_.author);
    entry.time = parse_feed_time(parts_.published.empty() ? parts_.updated : parts_.published);
    entry.id = html_text(parts_.id);
    if (entry.id.empty()) entry.id = entry.link;
    if (entry.id.empty()) {
      entry.id = fmt::format("{:016x}", XXH64(entry.text.data(), entry.text.size(), 0));
    }
    entries_.push_back(std::move(entry));
  }

  static constexpr std::size_t kFieldBytesMax = 1 << 20;
  struct Parts {
    std::string title, id, link, content, summary, author, published, updated;
  };

  std::vector<FeedEntry> entries_;
  Parts parts_;
  std::size_t bytes_ = 0;  // of text that was taken, of all entries
  bool is_feed_ = false;
  int depth_ = 0;
  int entry_depth_ = 0;  // 0: not within an entry
  int field_depth_ = 0;  // 0: not within a member that is taken
  std::string* field_ = nullptr;
  bool in_author_ = false;
};

}  // namespace

Result<std::vector<FeedEntry>> parse_feed(std::string_view bytes, std::string_view content_type) {
  TRY_ASSIGN(const std::string text, decoded(bytes, content_type));
  FeedHandler handler;
  XmlReader reader(handler.handler(), "UTF-8");
  if (const Status read = reader.feed(text, true); !read) {
    return Error{Code::kInvalidArgument, "not a feed that can be read: " + read.error().message};
  }
  if (handler.too_large()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("its entries hold more than {} MiB of text", kTextBytesMax >> 20)};
  }
  if (!handler.is_feed()) {
    return Error{Code::kInvalidArgument, "neither RSS nor Atom; is it the address of a web page?"};
  }
  return handler.entries();
}

}  // namespace tidewatch
