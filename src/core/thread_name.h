// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <string>

namespace tidewatch {

// Names the calling thread, as `top -H`, perf and gdb show it. At most 15 characters; the rest is
// cut. Errors: none that matter, a thread then keeps its name.
inline void name_thread(std::string name) {
  if (name.size() > 15) name.resize(15);
  ::pthread_setname_np(::pthread_self(), name.c_str());
}

}  // namespace tidewatch
