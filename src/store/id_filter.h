// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewatch {

// Which id keys (id_key()) a closed partition may hold: a Bloom filter in blocks of 32 bytes, so
// that a question costs one cache line. About 1 of 1,000 keys that were never added is said to be
// there; one that was added always is.
// Immutable once filled, then safe from any thread. Memory: 2 bytes a key.
class IdFilter {
 public:
  explicit IdFilter(std::size_t num_keys);
  // As bytes() gave it. Bytes of another size are no filter: everything may be there.
  static IdFilter from_bytes(std::string_view bytes);

  void add(std::int64_t key);
  bool may_hold(std::int64_t key) const;
  std::string_view bytes() const;

 private:
  using Block = std::array<std::uint32_t, 8>;
  std::vector<Block> blocks_;
};

}  // namespace tidewatch
