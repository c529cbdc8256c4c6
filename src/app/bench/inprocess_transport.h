// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "app/runtime.h"
#include "bench_serve/transport.h"

namespace tidewatch {

// Gives posts straight to the pipeline, or texts to the inference, of an engine in this process:
// what the front ends would do after decoding. Tokenizing is then done by the sending thread, as
// it is by a front end's. The runtime must outlive it.
std::unique_ptr<Transport> make_inprocess_transport(TransportOptions options, Runtime& runtime);

}  // namespace tidewatch
