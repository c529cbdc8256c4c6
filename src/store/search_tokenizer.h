// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "store/sqlite.h"

namespace tidewatch {

// A document of the index is a text and then exact terms, each after a kTermSeparator:
// "今天好冷" SEP "t=weather" SEP "r=北京". The separator never reaches the text part, since
// control characters only separate.
inline constexpr char kTermSeparator = '\x1E';

// Registers the FTS5 tokenizer `tidewatch` on a connection. In documents it gives the terms of
// for_each_term() and the exact terms; a query string is one term as it stands.
Status register_search_tokenizer(Database& db);

// Exact terms for the fields that posts are filtered by. They hold '=', which no unit or tag of a
// text holds at its second byte. Cut to kSearchTagBytesMax: verify against the post.
std::string field_term(char field, std::string_view value);

// Author and source compare without regard to ASCII case: their terms are made of this.
std::string lower_ascii(std::string_view text);

}  // namespace tidewatch
