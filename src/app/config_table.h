// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_option.h"
#include "core/result.h"

namespace tidewatch {

// Reads the keys of one table and notices those that nobody asked for. With `options` it also notes
// what was asked for, with its default.
class ConfigTable {
 public:
  ConfigTable(const toml::table& table, std::string path, const std::string& file,
              std::vector<ConfigOption>* options = nullptr)
      : table_(table), path_(std::move(path)), file_(file), options_(options) {}

  template <typename Number>
  void number(const char* key, Number& value, std::uint64_t low, std::uint64_t high) {
    const bool any = high >= static_cast<std::uint64_t>(INT64_MAX);
    note(key, fmt::format("{}", value),
         any ? fmt::format("{} or more", low) : fmt::format("{} to {}", low, high));
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const auto read = node->value_exact<std::int64_t>();
    if (!read || *read < 0 || static_cast<std::uint64_t>(*read) < low ||
        static_cast<std::uint64_t>(*read) > high) {
      fail(*node, key, fmt::format("must be a whole number from {} to {}", low, high));
      return;
    }
    value = static_cast<Number>(*read);
  }
  void text(const char* key, std::string& value) {
    note(key, fmt::format("\"{}\"", value), "");
    const toml::node* node = take(key);
    if (node == nullptr) return;
    if (const auto read = node->value_exact<std::string>()) {
      value = *read;
    } else {
      fail(*node, key, "must be a string in quotes");
    }
  }
  void flag(const char* key, bool& value) {
    note(key, value ? "true" : "false", "");
    const toml::node* node = take(key);
    if (node == nullptr) return;
    if (const auto read = node->value_exact<bool>()) {
      value = *read;
    } else {
      fail(*node, key, "must be true or false");
    }
  }
  void texts(const char* key, std::vector<std::string>& values, std::size_t count_max) {
    note(key, "[]", fmt::format("at most {}", count_max));
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || array->size() > count_max) {
      fail(*node, key, fmt::format("must be a list of at most {} strings", count_max));
      return;
    }
    values.clear();
    for (const toml::node& entry : *array) {
      const auto read = entry.value_exact<std::string>();
      if (!read) return fail(entry, key, "must hold strings in quotes");
      values.push_back(*read);
    }
  }
  void decimal(const char* key, double& value, double low, double high) {
    note(key, fmt::format("{:.6g}", value), fmt::format("{:.6g} to {:.6g}", low, high));
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const auto read = node->value<double>();
    if (!read || *read < low || *read > high) {
      return fail(*node, key, fmt::format("must be a number from {} to {}", low, high));
    }
    value = *read;
  }
  // Exactly as many numbers as the array holds.
  template <std::size_t kCount>
  void decimals(const char* key, std::array<double, kCount>& values, double low, double high) {
    note(key, fmt::format("[{:.6g}]", fmt::join(values, ", ")),
         fmt::format("each {:.6g} to {:.6g}", low, high));
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const std::string what = fmt::format("must be {} numbers from {} to {}", kCount, low, high);
    const toml::array* array = node->as_array();
    if (array == nullptr || array->size() != kCount) return fail(*node, key, what);
    for (std::size_t i = 0; i < kCount; ++i) {
      const auto read = (*array)[i].value<double>();
      if (!read || *read < low || *read > high) return fail(*node, key, what);
      values[i] = *read;
    }
  }
  const toml::node* take(const char* key) {
    known_.push_back(key);
    note(key, "", "");
    return table_.get(key);
  }
  void fail(const toml::node& node, std::string_view key, std::string_view what) {
    fail_at(node.source().begin.line, key, what);
  }
  // The first error, or one for the first key that no call asked for.
  Status finish() {
    for (const auto& [key, node] : table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end()) {
        fail_at(node.source().begin.line, key.str(),
                fmt::format("is not known; known here are: {}", fmt::join(known_, ", ")));
      }
    }
    if (error_) return *error_;
    return {};
  }

 private:
  void note(const char* key, std::string standard, std::string allowed) {
    if (options_ == nullptr) return;
    const auto known = std::find_if(
        options_->begin(), options_->end(),
        [&](const ConfigOption& option) { return option.section == path_ && option.key == key; });
    if (known == options_->end()) {
      options_->push_back({path_, key, std::move(standard), std::move(allowed)});
    } else if (known->standard.empty()) {
      known->standard = std::move(standard);
      known->allowed = std::move(allowed);
    }
  }
  void fail_at(std::uint32_t line, std::string_view key, std::string_view what) {
    if (error_) return;
    error_ = Error{Code::kInvalidArgument, fmt::format("{}, line {}: {}{}{} {}", file_, line, path_,
                                                       path_.empty() ? "" : ".", key, what)};
  }

  const toml::table& table_;
  const std::string path_;
  const std::string& file_;
  std::vector<ConfigOption>* const options_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

}  // namespace tidewatch
