// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/bench/detect_bench.h"
#include "core/result.h"

namespace tidewatch {

// `tidewatch bench detect --floods N`: copy-paste against crowds, with texts.
Status bench_floods(const BenchDetectOptions& options);

}  // namespace tidewatch
