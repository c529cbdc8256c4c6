// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "infer/tensorrt/row_grid.h"

namespace tidewatch::tensorrt {

// Where a text lies: ids begin .. begin + length of a row, which are its `slot`.
struct TextPlace {
  std::uint32_t row = 0;
  std::uint32_t slot = 0;
  std::uint32_t begin = 0;
};

// Lays texts into rows: for each width of the grid best fit decreasing (the longest text first,
// into the fullest row that has room; within 11/9 of the fewest rows possible, Johnson 1973), then
// the shape that costs the least. Attention costs more in wide rows, so a width has to earn it.
// Threads: one at a time; allocates nothing once it has seen its largest batch.
class RowPacker {
 public:
  // What kOneARow is for: to measure what packing gives.
  enum class Layout : std::uint8_t { kPacked, kOneARow };

  explicit RowPacker(const RowGrid& grid, Layout layout = Layout::kPacked);

  // Packs the texts of these lengths (1 to width_max ids each), as many of the first as fit one
  // run; `places()` then has one for each. Gives their number, at least 1; 0 for no lengths.
  std::size_t pack(std::span<const std::uint32_t> lengths);

  const RowShape& shape() const { return *shape_; }
  std::span<const TextPlace> places() const { return places_; }

 private:
  // Rows used at this width, or 0 when more than the grid has.
  std::size_t fill(std::span<const std::uint32_t> lengths, std::size_t width);
  // The fewest free ids, at least `length`, that a row has.
  std::size_t least_room(std::size_t length) const;
  bool pack_all(std::span<const std::uint32_t> lengths);

  const RowGrid& grid_;
  const Layout layout_;
  const RowShape* shape_;
  std::vector<TextPlace> places_;
  std::vector<TextPlace> trial_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> used_slots_;  // by row
  std::vector<std::uint32_t> next_;        // by row: another with as much room
  std::vector<std::uint32_t> with_room_;   // by free ids: a row; where rooms_ says so
  std::array<std::uint64_t, 9> rooms_{};   // a bit for each number of free ids that a row has
};

// What a run of this shape costs, beside others: its ids, and more for wide rows.
double cost_of(const RowShape& shape) noexcept;

}  // namespace tidewatch::tensorrt
