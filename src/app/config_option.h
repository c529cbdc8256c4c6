// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace tidewatch {

// One key of the configuration, as the code that reads it declares it.
struct ConfigOption {
  std::string section;   // "server"
  std::string key;       // "port"
  std::string standard;  // the default, as TOML; empty: the reader has it in another form
  std::string allowed;   // "0 to 65535"; empty: any of its type
};

// Every key of every [section], in the order in which they are read: found by running the readers,
// so that no key can be missing. [[lists]] and [topics] are not among them.
std::vector<ConfigOption> config_options();

// A commented configuration with every option at its default: `tidewatch init`. Valid as it is, and
// with the sign taken away before any of its settings.
std::string config_template();

// What each option is for, by "section.key"; empty: nobody has said (a test finds it).
std::string config_words(const std::string& section, const std::string& key);

}  // namespace tidewatch
