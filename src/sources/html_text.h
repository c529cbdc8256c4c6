// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tidewatch {

// The text of a piece of HTML, as people read it: tags go, blocks and <br> become line breaks,
// scripts and styles go with what they hold, entities are decoded, white space is one blank.
// Never fails: what is no HTML is text. Takes time in proportion to the bytes.
std::string html_text(std::string_view html);

// What an HTML entity stands for ("nbsp", "#233", "#x1F600"); empty when it is not known.
std::string html_entity(std::string_view name);

}  // namespace tidewatch
