// SPDX-License-Identifier: Apache-2.0
#include "store/search_tokenizer.h"

#include <memory>

#include "query/folded_text.h"

namespace tidewatch {
namespace {

using EmitToken = int (*)(void*, int, const char*, int, int, int);

// One for each index table and connection; keeps its buffers between documents.
struct SearchTokenizer {
  FoldedText folded;
};

int create(void* /*context*/, const char** /*arguments*/, int /*size*/, Fts5Tokenizer** out) {
  *out = reinterpret_cast<Fts5Tokenizer*>(new (std::nothrow) SearchTokenizer);
  return *out == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

void destroy(Fts5Tokenizer* self) { delete reinterpret_cast<SearchTokenizer*>(self); }

int tokenize(Fts5Tokenizer* self, void* context, int flags, const char* bytes, int size,
             EmitToken emit) {
  const auto give = [&](std::string_view term) {
    return emit(context, 0, term.data(), static_cast<int>(term.size()), 0, size);
  };
  std::string_view document{bytes, static_cast<std::size_t>(size)};
  if ((flags & FTS5_TOKENIZE_QUERY) != 0) return give(document);

  int code = SQLITE_OK;
  const std::size_t text_end = document.find(kTermSeparator);
  FoldedText& folded = reinterpret_cast<SearchTokenizer*>(self)->folded;
  fold_text(document.substr(0, text_end), folded);
  for_each_term(folded, [&](std::string_view term) {
    if (code == SQLITE_OK) code = give(term);
  });
  document.remove_prefix(text_end == std::string_view::npos ? document.size() : text_end);
  while (code == SQLITE_OK && !document.empty()) {
    document.remove_prefix(1);
    const std::string_view term = document.substr(0, document.find(kTermSeparator));
    code = give(term);
    document.remove_prefix(term.size());
  }
  return code;
}

}  // namespace

Status register_search_tokenizer(Database& db) {
  fts5_api* api = nullptr;
  sqlite3_stmt* select = nullptr;
  const int code = sqlite3_prepare_v2(db.handle(), "SELECT fts5(?1)", -1, &select, nullptr);
  if (code != SQLITE_OK) {
    return Error{Code::kUnimplemented,
                 "this SQLite library has no FTS5; install Debian 12's libsqlite3-0"};
  }
  sqlite3_bind_pointer(select, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
  sqlite3_step(select);
  sqlite3_finalize(select);
  if (api == nullptr) return Error{Code::kInternal, "SQLite did not hand out its FTS5 interface"};
  fts5_tokenizer tokenizer{create, destroy, tokenize};
  const int registered = api->xCreateTokenizer(api, "tidewatch", nullptr, &tokenizer, nullptr);
  if (registered != SQLITE_OK) return db.error(registered);
  return {};
}

std::string lower_ascii(std::string_view text) {
  std::string lowered{text};
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lowered;
}

std::string field_term(char field, std::string_view value) {
  std::string term{field, '='};
  for (const char c : value.substr(0, kSearchTagBytesMax)) {
    if (static_cast<unsigned char>(c) >= 0x20) term.push_back(c);
  }
  return term;
}

}  // namespace tidewatch
