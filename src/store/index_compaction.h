// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "core/result.h"
#include "store/search_index.h"
#include "store/sqlite.h"

namespace tidewatch {

// Merges the full-text index of one closed partition into a single piece ("segment"), a little at a
// time: searches then look into one tree instead of a dozen, and what the merges leave free is
// given back. May be given up at any moment: what is there stays whole. Threads: one at a time.
class IndexCompaction {
 public:
  struct Step {
    bool more = false;
    std::uint64_t bytes = 0;  // written
  };
  static Result<std::unique_ptr<IndexCompaction>> open(const IndexPlace& place,
                                                       std::int64_t number);
  // Merges about a megabyte in one transaction.
  Result<Step> step();
  // Gives free pages back. Returns the bytes in use.
  Result<std::uint64_t> finish();

 private:
  explicit IndexCompaction(std::unique_ptr<Database> search) : search_(std::move(search)) {}
  std::unique_ptr<Database> search_;
  bool begun_ = false;
};

}  // namespace tidewatch
