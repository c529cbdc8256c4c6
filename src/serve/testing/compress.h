// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tidewatch::testing_support {

// Whole bodies as a client would compress them. For tests.
std::string gzip(std::string_view bytes);
std::string zstd(std::string_view bytes);
std::string zstd_with_window(std::string_view bytes, int window_log);

}  // namespace tidewatch::testing_support
