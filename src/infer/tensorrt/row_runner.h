// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/result.h"
#include "infer/tensorrt/row_grid.h"

namespace tidewatch::tensorrt {

// The host's side of one run, row-major: what packed_encoder.h says, for one shape. Valid until the
// next inputs() of the same runner.
struct RowInputs {
  std::int32_t* token_ids = nullptr;
  std::int32_t* positions = nullptr;
  std::int32_t* texts = nullptr;
  std::int32_t* slot_numbers = nullptr;
  float* shares = nullptr;
  const float* logits = nullptr;  // after run()
};

// Runs packed rows of any shape of a grid, one run at a time: a lane of the GPU, or a test's.
class RowRunner {
 public:
  virtual ~RowRunner() = default;
  virtual RowInputs inputs(const RowShape& shape) = 0;
  // Runs what stands in inputs(shape) and waits for the logits.
  virtual Status run(const RowShape& shape) = 0;
  virtual std::uint64_t memory_bytes() const = 0;  // of the GPU, beside the plan
};

}  // namespace tidewatch::tensorrt
