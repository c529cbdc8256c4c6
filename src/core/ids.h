// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

namespace tidewatch {

// A number that cannot be mixed up with another kind of number.
template <typename Tag, typename Number>
struct StrongId {
  Number value = 0;
  auto operator<=>(const StrongId&) const = default;
};

// A post's place in the order of acceptance, from 1; the row id in the store. 0 means none.
// Dense within a store. (The id that users see is the string Post::id.)
using Sequence = StrongId<struct SequenceTag, std::uint64_t>;

// The version of a loaded model, distinct for every load, so that results of different models are
// never mixed up in a cache. 0 means "not classified".
using ModelVersion = StrongId<struct ModelVersionTag, std::uint32_t>;

}  // namespace tidewatch
