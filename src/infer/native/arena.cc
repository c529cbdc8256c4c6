// SPDX-License-Identifier: Apache-2.0
#include "infer/native/arena.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "infer/native/kernel.h"

namespace tidewatch::native {

void Arena::Free::operator()(void* block) const noexcept { std::free(block); }

void* Arena::take_bytes(std::size_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  std::unique_ptr<void, Free> block(std::aligned_alloc(alignment, rounded));
  if (!block) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  // Rows of a table are read at random: with small pages nearly each costs a page walk as well.
  if (alignment == kHugePage) static_cast<void>(madvise(block.get(), rounded, MADV_HUGEPAGE));
#endif
  std::memset(block.get(), 0, rounded);
  blocks_.push_back(std::move(block));
  bytes_ += rounded;
  return blocks_.back().get();
}

}  // namespace tidewatch::native
