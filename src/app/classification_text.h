// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "infer/classification_report.h"

namespace tidewatch {

// The figures of a classification as tables for people. Columns stand below each other also where
// labels are Chinese (a wide character takes two columns). Pure functions.

// label, precision, recall, F1 and support, one label a line.
std::string per_label_text(const ClassificationReport& report, std::span<const std::string> names);

// Rows are the truth (labels that never occur are left out), columns the prediction. Columns are
// headed by label, or by number where the labels would not fit in 100 columns.
// `colour`: the diagonal green, mistakes of a tenth of a row and more red.
std::string confusion_text(const ConfusionMatrix& confusion, std::span<const std::string> names,
                           bool colour);

// Whether standard output is a terminal that shows colour (NO_COLOR and TERM=dumb say no).
bool stdout_takes_colour();

}  // namespace tidewatch
