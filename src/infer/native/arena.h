// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tidewatch::native {

// Owns arrays that kernels read and write: zeroed, aligned to 64 bytes or, from 2 MiB on, to huge
// pages, which the system is asked for. Moving it moves no array. Threads: none.
class Arena {
 public:
  // An array that lives as long as the arena. T is a number.
  template <typename T>
  T* take(std::size_t count) {
    return static_cast<T*>(take_bytes(count * sizeof(T)));
  }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  struct Free {
    void operator()(void* block) const noexcept;
  };
  void* take_bytes(std::size_t bytes);

  std::vector<std::unique_ptr<void, Free>> blocks_;
  std::uint64_t bytes_ = 0;
};

}  // namespace tidewatch::native
