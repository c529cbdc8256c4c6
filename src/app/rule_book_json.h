// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "app/rule_book.h"
#include "serve/engine.h"

namespace tidewatch {

// The HTTP side of RuleBook (docs/api.md): reads the request, does what it asks, writes the answer.
// An unknown member of a request is an error, so that a typing mistake is seen. All actions but
// kPreview, which rule_preview.h answers.
Result<std::string> answer_rules(RuleBook& book, RuleAction action, const std::string& name,
                                 std::string_view request_json);

}  // namespace tidewatch
