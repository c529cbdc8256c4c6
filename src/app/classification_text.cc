// SPDX-License-Identifier: Apache-2.0
#include "app/classification_text.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace tidewatch {
namespace {

constexpr std::size_t kColumnsMax = 100;
constexpr std::string_view kUnknown = "unknown";

// Columns that a terminal gives a text. fmt pads by the same estimate.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (fmt::formatted_size("{:<{}}", text, width + 1) == text.size()) ++width;
  return width;
}

std::size_t widest(std::span<const std::string> names) {
  std::size_t width = 0;
  for (const std::string& name : names) width = std::max(width, width_of(name));
  return width;
}

std::uint64_t row_sum(const ConfusionMatrix& confusion, std::size_t truth) {
  std::uint64_t sum = 0;
  for (std::size_t column = 0; column <= confusion.num_labels(); ++column) {
    sum += confusion.at(truth, column);
  }
  return sum;
}

std::string_view colour_of(std::uint64_t count, std::uint64_t sum, bool diagonal) {
  if (diagonal) return "\033[32m";
  return count * 10 >= sum ? "\033[31m" : "";
}

}  // namespace

std::string per_label_text(const ClassificationReport& report, std::span<const std::string> names) {
  const std::size_t width = std::max<std::size_t>(widest(names), 5);
  std::string text = fmt::format("{:<{}}  precision  recall      F1  support\n", "label", width);
  for (const LabelReport& label : report.per_label) {
    text += fmt::format("{:<{}}  {:>9.4f}  {:>6.4f}  {:>6.4f}  {:>7}\n", names[label.label], width,
                        label.precision, label.recall, label.f1, label.support);
  }
  return text;
}

std::string confusion_text(const ConfusionMatrix& confusion, std::span<const std::string> names,
                           bool colour) {
  const std::size_t labels = confusion.num_labels();
  std::uint64_t largest = 0;
  bool any_unknown = false;
  for (std::size_t truth = 0; truth < labels; ++truth) {
    for (std::size_t column = 0; column <= labels; ++column) {
      largest = std::max(largest, confusion.at(truth, column));
    }
    any_unknown |= confusion.unknown(truth) > 0;
  }
  std::vector<std::string> heads(names.begin(), names.end());
  if (any_unknown) heads.emplace_back(kUnknown);
  const std::size_t digits = fmt::formatted_size("{}", largest);
  const std::size_t row_width = widest(names);
  std::size_t total = row_width;
  for (const std::string& head : heads) total += 2 + std::max(width_of(head), digits);
  const bool numbered = total > kColumnsMax;

  std::string text = fmt::format("confusion: rows are the truth, columns the prediction{}\n",
                                 numbered ? " by number" : "");
  text.append(row_width + (numbered ? 4 : 0), ' ');
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < heads.size(); ++column) {
    if (numbered && column < labels) heads[column] = fmt::format("{}", column + 1);
    widths.push_back(std::max(width_of(heads[column]), digits));
    text += fmt::format("  {:>{}}", heads[column], widths.back());
  }
  text += '\n';
  for (std::size_t truth = 0; truth < labels; ++truth) {
    const std::uint64_t sum = row_sum(confusion, truth);
    if (sum == 0) continue;
    if (numbered) text += fmt::format("{:>3} ", truth + 1);
    text += fmt::format("{:<{}}", names[truth], row_width);
    for (std::size_t column = 0; column < heads.size(); ++column) {
      const std::uint64_t count = confusion.at(truth, column);
      if (count == 0) {
        text += fmt::format("  {:>{}}", "·", widths[column]);
        continue;
      }
      const std::string_view on = colour ? colour_of(count, sum, truth == column) : "";
      text += fmt::format("  {}{:>{}}{}", on, count, widths[column], on.empty() ? "" : "\033[0m");
    }
    text += '\n';
  }
  return text;
}

bool stdout_takes_colour() {
  if (::isatty(STDOUT_FILENO) != 1) return false;
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (no_colour == nullptr || *no_colour == '\0') &&
         (terminal == nullptr || std::string_view{terminal} != "dumb");
}

}  // namespace tidewatch
