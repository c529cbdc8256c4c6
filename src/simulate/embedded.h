// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "simulate/grammar.h"
#include "simulate/simulator.h"

namespace tidewatch {

// The texts of grammar/*.txt, built into the library.
std::vector<Grammar::Source> bundled_grammar();

}  // namespace tidewatch
