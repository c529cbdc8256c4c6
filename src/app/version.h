// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tidewatch {

// "0.1.0 (commit 1a2b3c4)": the commit as it was when the build was configured.
std::string version_text();

// "AMD EPYC, 2 cores, avx512 vnni": for benchmark reports.
std::string machine_text();

}  // namespace tidewatch
