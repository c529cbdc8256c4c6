// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/result.h"
#include "infer/tensorrt/row_grid.h"

namespace tidewatch::tensorrt {

// What is recorded once for each shape of a grid and used from then on. Bounded by the grid.
// Threads: one at a time.
template <typename T>
class GraphCache {
 public:
  explicit GraphCache(std::span<const RowShape> shapes) {
    for (const RowShape& shape : shapes) entries_.push_back({shape, std::nullopt});
  }

  // The shape's entry, made by `make(shape)` (a Result<T>) when it is not there yet. A failure is
  // not kept: the next call tries again. kInvalidArgument for a shape of another grid.
  template <typename Make>
  Result<T*> get(const RowShape& shape, const Make& make) {
    const auto it = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return entry.shape == shape; });
    if (it == entries_.end()) return Error{Code::kInvalidArgument, "a shape of another plan"};
    if (!it->value) {
      Result<T> made = make(shape);
      if (!made) return made.error();
      it->value.emplace(std::move(*made));
    }
    return &*it->value;
  }

  std::size_t size() const {
    return static_cast<std::size_t>(std::count_if(
        entries_.begin(), entries_.end(), [](const Entry& e) { return e.value.has_value(); }));
  }

 private:
  struct Entry {
    RowShape shape;
    std::optional<T> value;
  };
  std::vector<Entry> entries_;
};

}  // namespace tidewatch::tensorrt
