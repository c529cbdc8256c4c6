// SPDX-License-Identifier: Apache-2.0
#include "sources/html_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

#include "ingest/utf8.h"

namespace tidewatch {
namespace {

constexpr std::size_t kEntityBytesMax = 12;

constexpr std::array<std::pair<std::string_view, std::string_view>, 27> kEntities{{
    {"amp", "&"},   {"lt", "<"},     {"gt", ">"},    {"quot", "\""},  {"apos", "'"},
    {"nbsp", " "},  {"ensp", " "},   {"emsp", " "},  {"thinsp", " "}, {"ldquo", "“"},
    {"rdquo", "”"}, {"lsquo", "‘"},  {"rsquo", "’"}, {"hellip", "…"}, {"mdash", "—"},
    {"ndash", "–"}, {"middot", "·"}, {"bull", "•"},  {"copy", "©"},   {"reg", "®"},
    {"trade", "™"}, {"times", "×"},  {"laquo", "«"}, {"raquo", "»"},  {"deg", "°"},
    {"yen", "¥"},   {"euro", "€"},
}};

constexpr std::array<std::string_view, 20> kBlocks{
    "p",  "br", "div", "li", "ul", "ol",         "h1",    "h2",      "h3",      "h4",
    "h5", "h6", "tr",  "td", "hr", "blockquote", "table", "section", "article", "figure"};

std::string folded(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c;
  return out;
}

// Collects text with its white space made one blank or one line break.
class Writer {
 public:
  void add(std::string_view text) {
    for (const char c : text) {
      if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f') {
        blank_ = true;
      } else {
        separate();
        out_ += c;
      }
    }
  }
  void line_break() { broken_ = true; }
  std::string take() { return std::move(out_); }

 private:
  void separate() {
    if (!out_.empty() && broken_) out_ += '\n';
    if (!out_.empty() && !broken_ && blank_) out_ += ' ';
    blank_ = broken_ = false;
  }
  std::string out_;
  bool blank_ = false;
  bool broken_ = false;
};

// Where the tag that begins at `from` ends (after its '>'); npos: it is text.
std::size_t tag_end(std::string_view html, std::size_t from) {
  if (from + 1 >= html.size()) return std::string_view::npos;
  if (html.substr(from).starts_with("<!--")) {
    const std::size_t end = html.find("-->", from + 4);
    return end == std::string_view::npos ? html.size() : end + 3;
  }
  const char first = html[from + 1];
  const bool is_tag = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') ||
                      first == '/' || first == '!' || first == '?';
  if (!is_tag) return std::string_view::npos;
  char quote = 0;
  for (std::size_t i = from + 1; i < html.size(); ++i) {
    const char c = html[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      return i + 1;
    }
  }
  return html.size();
}

std::string tag_name(std::string_view tag) {
  std::size_t begin = 1;
  if (begin < tag.size() && tag[begin] == '/') ++begin;
  const std::size_t end = tag.find_first_of(" \t\r\n/>", begin);
  return folded(tag.substr(begin, end == std::string_view::npos ? end : end - begin));
}

// Where what a script or style holds ends.
std::size_t closing_tag(std::string_view html, std::size_t from, const std::string& name) {
  for (std::size_t at = html.find("</", from); at != std::string_view::npos;
       at = html.find("</", at + 2)) {
    if (folded(html.substr(at + 2, name.size())) == name) return at;
  }
  return html.size();
}

}  // namespace

std::string html_entity(std::string_view name) {
  if (name.starts_with('#')) {
    const bool hex = name.size() > 1 && (name[1] == 'x' || name[1] == 'X');
    const std::string_view digits = name.substr(hex ? 2 : 1);
    std::uint32_t code = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
    if (error != std::errc{} || end != digits.data() + digits.size() || code == 0) return {};
    std::string out;
    append_code_point(static_cast<char32_t>(code), out);
    return out;
  }
  const auto known = std::find_if(kEntities.begin(), kEntities.end(),
                                  [&](const auto& one) { return one.first == name; });
  return known == kEntities.end() ? std::string{} : std::string(known->second);
}

std::string html_text(std::string_view html) {
  Writer out;
  std::size_t at = 0;
  while (at < html.size()) {
    const std::size_t next = html.find_first_of("<&", at);
    out.add(html.substr(at, next == std::string_view::npos ? next : next - at));
    if (next == std::string_view::npos) break;
    at = next;
    if (html[at] == '<') {
      const std::size_t end = tag_end(html, at);
      if (end == std::string_view::npos) {
        out.add(html.substr(at++, 1));
        continue;
      }
      const std::string name = tag_name(html.substr(at, end - at));
      const bool opens = html[at + 1] != '/';
      if (std::find(kBlocks.begin(), kBlocks.end(), name) != kBlocks.end()) out.line_break();
      at = opens && (name == "script" || name == "style") ? closing_tag(html, end, name) : end;
      continue;
    }
    const std::size_t semicolon = html.substr(at, kEntityBytesMax).find(';');
    const std::string meant =
        semicolon == std::string_view::npos ? "" : html_entity(html.substr(at + 1, semicolon - 1));
    if (meant.empty()) {
      out.add(html.substr(at++, 1));
    } else {
      out.add(meant);
      at += semicolon + 1;
    }
  }
  return out.take();
}

}  // namespace tidewatch
