// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/result.h"

namespace toml {
inline namespace v3 {
class node;
}
}  // namespace toml

namespace tidewatch {

struct SourceList;  // sources/make_source.h

inline constexpr std::size_t kSourcesMax = 50;

// Reads the [[sources]] list; docs/sources.md has every key. Errors name file, line and key; never
// a secret.
Result<std::shared_ptr<const SourceList>> read_sources(const toml::node& node,
                                                       const std::string& file);

}  // namespace tidewatch
