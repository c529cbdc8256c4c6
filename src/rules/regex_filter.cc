// SPDX-License-Identifier: Apache-2.0
#include "rules/regex_filter.h"

#include <algorithm>

#include "query/regex.h"

namespace tidewatch {
namespace {
constexpr int kPieceBytesMin = 3;  // one ideograph, or three letters
}

std::uint16_t RegexFilter::head_of(const char* text) {
  const auto byte = [text](int i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t packed = byte(0) | byte(1) << 8 | byte(2) << 16;
  return static_cast<std::uint16_t>((packed * 0x9E3779B1U) >> 16);
}

std::uint32_t RegexFilter::add(const std::string& expression) {
  const auto known = std::find(expressions_.begin(), expressions_.end(), expression);
  if (known != expressions_.end()) {
    return static_cast<std::uint32_t>(known - expressions_.begin());
  }
  int id = 0;
  filter_.Add(expression, regex_options(), &id);
  expressions_.push_back(expression);
  return static_cast<std::uint32_t>(id);
}

bool RegexFilter::has_piece(const std::string& expression) {
  re2::FilteredRE2 filter(kPieceBytesMin);
  int id = 0;
  std::vector<std::string> pieces;
  if (filter.Add(expression, regex_options(), &id) != RE2::NoError) return false;
  filter.Compile(&pieces);
  return !pieces.empty();
}

void RegexFilter::build() {
  if (expressions_.empty()) return;
  filter_.Compile(&pieces_);
  for (std::uint32_t i = 0; i < pieces_.size(); ++i) {
    const std::uint16_t head = head_of(pieces_[i].data());
    heads_.set(head);
    by_head_.push_back({head, i});
  }
  std::sort(by_head_.begin(), by_head_.end(), [](const Piece& a, const Piece& b) {
    return a.head != b.head ? a.head < b.head : a.piece < b.piece;
  });
}

void RegexFilter::find(const std::string& text, std::vector<int>& pieces,
                       std::vector<int>& found) const {
  if (expressions_.empty()) return;
  pieces.clear();
  for (std::size_t at = 0; at + kPieceBytesMin <= text.size(); ++at) {
    const std::uint16_t head = head_of(text.data() + at);
    if (!heads_.test(head)) continue;
    auto piece = std::lower_bound(by_head_.begin(), by_head_.end(), head,
                                  [](const Piece& p, std::uint16_t h) { return p.head < h; });
    for (; piece != by_head_.end() && piece->head == head; ++piece) {
      if (text.compare(at, pieces_[piece->piece].size(), pieces_[piece->piece]) == 0) {
        pieces.push_back(static_cast<int>(piece->piece));
      }
    }
  }
  std::sort(pieces.begin(), pieces.end());
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
  filter_.AllMatches(text, pieces, &found);
}

}  // namespace tidewatch
