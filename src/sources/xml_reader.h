// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

// XML, as it streams (expat). External entities and DTDs are never fetched; a document that
// declares internal ones, or default attributes, is refused (they make it grow); entities that no
// one declares, as HTML's, go to on_entity.
// Threads: none. Bounds: nesting of 256.
class XmlReader {
 public:
  // Names without their prefix ("dc:date" gives "date", with its prefix beside it).
  struct Element {
    std::string_view prefix;
    std::string_view name;
    std::map<std::string, std::string, std::less<>> attributes;  // by whole name
  };
  struct Handler {
    std::function<void(const Element&)> on_start;
    std::function<void(std::string_view prefix, std::string_view name)> on_end;
    std::function<void(std::string_view text)> on_text;
    std::function<void(std::string_view name)> on_entity = [](std::string_view) {};
  };

  // `encoding` stands over the document's own, where the caller has decoded it; empty: its own.
  explicit XmlReader(Handler handler, const char* encoding = nullptr);
  ~XmlReader();
  XmlReader(const XmlReader&) = delete;
  XmlReader& operator=(const XmlReader&) = delete;

  // kInvalidArgument: not well-formed; the message has line and column.
  Status feed(std::string_view text, bool last);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch
