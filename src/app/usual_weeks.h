// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.h"
#include "core/result.h"
#include "detect/detector.h"
#include "infer/scores.h"
#include "store/store.h"

namespace tidewatch {

// After a restart: tells a new detector what every topic and every province of China had in the
// whole hours of the last four weeks before `until`, from the minutes in the store. An hour with a
// gap in the whole stream is left out. About 2 s for four full weeks. Errors: those of the store.
Status learn_usual_weeks(Store& store, const LabelSchema& labels, EventTime until,
                         Detector& detector);

}  // namespace tidewatch
