// SPDX-License-Identifier: Apache-2.0
// Stands in for the generated table when TIDEWATCH_DASHBOARD is off.
#include "serve/static_files.h"

namespace tidewatch {

StaticFiles dashboard_files() { return {}; }

}  // namespace tidewatch
