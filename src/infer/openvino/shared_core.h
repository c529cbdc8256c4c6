// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openvino/runtime/core.hpp>

namespace tidewatch {

// OpenVINO's plugins are loaded once a process. Threads: safe. May throw ov::Exception.
ov::Core& shared_core();

}  // namespace tidewatch
