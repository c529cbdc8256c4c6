// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/result.h"
#include "sources/make_source.h"

namespace toml {
inline namespace v3 {
class node;
}
}  // namespace toml

namespace tidewatch {

inline constexpr std::size_t kSourcesMax = 50;

// Reads the [[sources]] list; docs/sources.md has every key. Errors name file, line and key; never
// a secret.
Status read_sources(const toml::node& node, const std::string& file,
                    std::vector<SourceOptions>& sources);

}  // namespace tidewatch
