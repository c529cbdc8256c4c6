// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "infer/tensorrt/library.h"

namespace tidewatch::tensorrt {

// A shape that a graph is captured for: `rows` of `width` ids, up to `slots` texts in a row.
struct RowShape {
  std::size_t profile = 0;
  std::size_t rows = 0;
  std::size_t width = 0;
  std::size_t slots = 0;
  std::size_t tokens() const { return rows * width; }
  std::size_t texts() const { return rows * slots; }
  bool operator==(const RowShape&) const = default;
};

// The widths of the rows, by optimisation profile: a profile's memory is that of its most rows
// times its largest width, so each length bucket has one of its own.
inline constexpr std::size_t kSlotIds = 16;  // a row has a slot for each so many ids
inline constexpr std::array<std::size_t, 3> kProfileWidths{128, 256, 512};

// What an engine's plan was built for, and the shapes that are chosen from. A plain value.
class RowGrid {
 public:
  // `tokens`: ids of a full run, such as 6,144; 512 to 65,536, rounded down to a multiple of 96.
  explicit RowGrid(std::size_t tokens, std::size_t width_max = 512);

  // The optimisation profiles to build, one for each of kProfileWidths.
  std::vector<ProfileRange> profiles() const;
  // The grid of a loaded plan; kInvalidArgument when its profiles are not those of any grid.
  static Result<RowGrid> of_plan(const Plan& plan);

  const std::vector<RowShape>& shapes() const { return shapes_; }
  // The widths that shapes have, ascending.
  const std::vector<std::size_t>& widths() const { return widths_; }
  // The shape of this width with at least so many rows; null when there are too many.
  const RowShape* find(std::size_t width, std::size_t rows) const;
  // The most rows of this width (one of widths()).
  std::size_t rows_max(std::size_t width) const;
  std::size_t tokens() const { return tokens_; }
  std::size_t width_max() const { return widths_.back(); }
  std::size_t texts_max() const { return texts_max_; }
  std::string describe() const;  // "rows of 128 up to 48, of 256 up to 24, of 512 up to 12"

 private:
  std::size_t profile_rows(std::size_t profile) const;

  std::size_t tokens_;
  std::size_t num_profiles_ = 0;
  std::size_t texts_max_ = 0;
  std::vector<std::size_t> widths_;
  std::vector<RowShape> shapes_;  // by width, then rows
};

}  // namespace tidewatch::tensorrt
