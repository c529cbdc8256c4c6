// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tidewatch {

// Replaces common simplified characters by their usual traditional form, one for one, in place.
// Precondition: valid UTF-8. Covers the frequent characters, not the language.
void make_traditional(std::string& text);

}  // namespace tidewatch
