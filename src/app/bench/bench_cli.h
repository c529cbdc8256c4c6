// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace tidewatch {

// Adds `bench serve` and `bench infer` to the command `bench`. `status` is set to the exit status
// when one of them ran; it must outlive the parsing.
void add_bench_commands(CLI::App& bench, int& status);

}  // namespace tidewatch
