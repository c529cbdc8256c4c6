// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tidewatch {

// The entity that stands for a character in HTML, and in Slack's and Telegram's markup, where it
// would be read as markup within text or a quoted attribute; empty for all others.
constexpr std::string_view markup_entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return {};
  }
}

}  // namespace tidewatch
