// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>

#include "app/pipeline.h"
#include "core/clock.h"
#include "ingest/post_decoder.h"
#include "observe/metrics.h"
#include "serve/engine.h"

namespace tidewatch {

// Takes one body of NDJSON for the pipeline: splits, decodes, admits; gathers what became of each
// line. When the pipeline is full it stops at that line (kResourceExhausted) instead of waiting.
// Ownership: everything passed by reference must outlive it and the posts it admitted.
// `timeout`: of each post, from its line to the disk; 0: none.
// Bound: one unfinished line and kLineErrorsMax errors.
std::unique_ptr<IngestSession> make_ndjson_session(const DecodeLimits& limits, const Clock& clock,
                                                   FreshIds& fresh_ids, Pipeline& pipeline,
                                                   Metrics& metrics, StageTimes& times,
                                                   std::chrono::milliseconds timeout = {});

// The reason label of tidewatch_rejected_total for a line error.
std::string_view rejection_reason(const DecodeError& error);

}  // namespace tidewatch
