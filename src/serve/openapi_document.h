// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tidewatch {

// src/serve/openapi.json as it was built in.
std::string_view openapi_document();

}  // namespace tidewatch
