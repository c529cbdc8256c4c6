// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <re2/re2.h>

namespace tidewatch {

// How every regular expression of a query is compiled: without regard to case, and with at most
// 1 MiB for its automata. RE2's time is linear in the text whatever the expression.
inline RE2::Options regex_options() {
  RE2::Options options(RE2::Quiet);
  options.set_case_sensitive(false);
  options.set_max_mem(1 << 20);
  return options;
}

}  // namespace tidewatch
