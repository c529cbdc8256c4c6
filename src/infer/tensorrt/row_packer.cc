// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/row_packer.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <numeric>

namespace tidewatch::tensorrt {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kNoRoom = std::numeric_limits<std::size_t>::max();
// A run of as many ids takes so much longer for each id of width (H100, FP16: 1,300 for four layers
// of 512, 2,000 for twelve of 768).
constexpr double kWidthCost = 1.0 / 1'500;
// What a run takes whatever its size, in ids (0.25 ms of 0.65 ms at 6,144 ids, four layers).
constexpr double kRunIds = 1'500;

}  // namespace

double cost_of(const RowShape& shape) noexcept {
  const auto width = static_cast<double>(shape.width);
  return kRunIds + static_cast<double>(shape.rows) * width * (1.0 + width * kWidthCost);
}

RowPacker::RowPacker(const RowGrid& grid, Layout layout)
    : grid_(grid), layout_(layout), shape_(&grid.shapes().front()) {
  with_room_.resize(grid.width_max() + 1);
  assert(grid.width_max() / 64 < rooms_.size());
}

std::size_t RowPacker::pack(std::span<const std::uint32_t> lengths) {
  places_.clear();
  if (lengths.empty()) return 0;
  std::size_t count = std::min(lengths.size(), grid_.texts_max());
  while (!pack_all(lengths.first(count))) {
    assert(count > 1);
    count -= std::max<std::size_t>(1, count / 16);
  }
  return count;
}

bool RowPacker::pack_all(std::span<const std::uint32_t> lengths) {
  order_.resize(lengths.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return lengths[a] != lengths[b] ? lengths[a] > lengths[b] : a < b;
  });
  const std::size_t longest = lengths[order_.front()];
  assert(longest <= grid_.width_max());
  const RowShape* best = nullptr;
  for (const std::size_t width : grid_.widths()) {
    if (width < longest) continue;
    const std::size_t rows = fill(lengths, width);
    const RowShape* shape = rows == 0 ? nullptr : grid_.find(width, rows);
    if (shape != nullptr && (best == nullptr || cost_of(*shape) < cost_of(*best))) {
      best = shape;
      places_.swap(trial_);
    }
    if (layout_ == Layout::kOneARow) break;  // the narrowest that takes the longest
  }
  if (best != nullptr) shape_ = best;
  return best != nullptr;
}

std::size_t RowPacker::fill(std::span<const std::uint32_t> lengths, std::size_t width) {
  const std::size_t slots =
      layout_ == Layout::kOneARow ? 1 : std::max<std::size_t>(1, width / kSlotIds);
  const std::size_t rows_max = grid_.rows_max(width);
  rooms_.fill(0);
  used_slots_.clear();
  next_.clear();
  trial_.resize(lengths.size());
  for (const std::uint32_t text : order_) {
    const std::uint32_t length = lengths[text];
    std::size_t room = least_room(length);
    std::uint32_t row = 0;
    if (room != kNoRoom) {
      row = with_room_[room];
      with_room_[room] = next_[row];
      if (next_[row] == kNone) rooms_[room / 64] &= ~(std::uint64_t{1} << room % 64);
    } else {
      if (used_slots_.size() == rows_max) return 0;
      room = width;
      row = static_cast<std::uint32_t>(used_slots_.size());
      used_slots_.push_back(0);
      next_.push_back(kNone);
    }
    trial_[text] = {row, used_slots_[row], static_cast<std::uint32_t>(width - room)};
    const std::size_t left = room - length;
    if (++used_slots_[row] < slots && left > 0) {
      const std::uint64_t bit = std::uint64_t{1} << left % 64;
      next_[row] = (rooms_[left / 64] & bit) != 0 ? with_room_[left] : kNone;
      with_room_[left] = row;
      rooms_[left / 64] |= bit;
    }
  }
  return used_slots_.size();
}

std::size_t RowPacker::least_room(std::size_t length) const {
  std::uint64_t word = rooms_[length / 64] & (~std::uint64_t{0} << length % 64);
  for (std::size_t i = length / 64;; word = rooms_[i]) {
    if (word != 0) return i * 64 + static_cast<std::size_t>(std::countr_zero(word));
    if (++i == rooms_.size()) return kNoRoom;
  }
}

}  // namespace tidewatch::tensorrt
