// SPDX-License-Identifier: Apache-2.0
#include "app/engine_options.h"

namespace tidewatch {

void add_precision(CLI::App& app, CommonOptions& options) {
  app.add_option("--precision", options.precision, "Compute in 'fp32', 'int8' or whatever is best")
      ->check(CLI::IsMember({"auto", "fp32", "int8"}));
  app.add_option(
         "--backend", options.backend,
         "Compute by our own kernels ('native'), 'openvino', 'tensorrt' (needs a GPU and an "
         "engine built for it) or whatever is best")
      ->check(CLI::IsMember({"auto", "native", "openvino", "tensorrt"}));
  app.add_option("--engines-dir", options.engines_dir,
                 "Folder of engine files (default: engines in the data folder)");
}

}  // namespace tidewatch
