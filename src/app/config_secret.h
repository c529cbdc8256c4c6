// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "app/config_table.h"

namespace tidewatch {

// A secret from KEY, KEY_env (an environment variable) or KEY_file (a file whose last line break is
// dropped); it is an error to give two. Errors never hold the secret.
void read_secret(ConfigTable& t, const std::string& key, std::string& value);

}  // namespace tidewatch
