// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "infer/tensorrt/cuda.h"
#include "infer/tensorrt/graph_cache.h"
#include "infer/tensorrt/library.h"
#include "infer/tensorrt/row_runner.h"

namespace tidewatch::tensorrt {

// How runs are queued. kShared is the rule (below); the others are the way out should a release of
// TensorRT not bear it: an execution for each graph, or no graphs and every run queued anew.
enum class GraphUse { kShared, kOwn, kNone };

// A lane of the GPU: a stream, page-locked buffers, and one graph for each shape that copies the
// inputs in, computes and copies the logits out. The executions of a lane share one arena for
// activations, since they never run together; the weights belong to the plan and are there once.
//
// An execution costs 150 ms and 4 MB (four layers, TensorRT 10.6), so the graphs of a profile are
// recorded from one. TensorRT promises that for graphs of one shape only; so create() runs every
// graph once more after all are recorded, and a shape whose logits are not those of its plain run,
// bit for bit, gets an execution of its own.
// Threads: one at a time, which has made the GPU current. Errors: those of cuda.h and library.h.
class GraphRunner final : public RowRunner {
 public:
  // `logits_width`: numbers a slot; `vocabulary`, `positions`: rows of the tables. Records every
  // graph of the grid: up to seconds.
  static Result<std::unique_ptr<GraphRunner>> create(std::shared_ptr<Gpu> gpu,
                                                     std::shared_ptr<Plan> plan,
                                                     const RowGrid& grid, std::size_t logits_width,
                                                     std::size_t vocabulary, std::size_t positions,
                                                     GraphUse use = GraphUse::kShared);

  RowInputs inputs(const RowShape& shape) override;
  Status run(const RowShape& shape) override;
  std::uint64_t memory_bytes() const override { return arena_.bytes() + device_.bytes(); }

 private:
  struct Layout;

  struct Recorded {
    Graph graph;
    std::unique_ptr<Execution> own;  // null: recorded from the profile's
    std::vector<float> logits;       // of the plain run of the check's texts; empty once checked
  };
  GraphRunner(std::shared_ptr<Gpu> gpu, std::shared_ptr<Plan> plan, Stream stream,
              const RowGrid& grid, std::size_t logits_width, std::size_t vocabulary,
              std::size_t positions, GraphUse use);
  Layout layout_of(const RowShape& shape) const;
  Status open(const RowGrid& grid);
  // Makes the execution that `holder` is empty of, and gives it the shape.
  Status prepare(const RowShape& shape, std::unique_ptr<Execution>& holder);
  Status point(Execution& execution, const RowShape& shape);
  Result<Recorded> record(const RowShape& shape, bool own);
  Status check(const RowShape& shape);
  void lay_check_texts(const RowShape& shape);
  Status queue(Execution& execution, const RowShape& shape);

  const std::shared_ptr<Gpu> gpu_;
  const std::shared_ptr<Plan> plan_;
  Stream stream_;
  const std::size_t logits_width_;
  const std::size_t vocabulary_;
  const std::size_t positions_;
  const GraphUse use_;
  DeviceBuffer arena_;
  DeviceBuffer device_;
  PinnedBuffer host_;
  std::vector<std::unique_ptr<Execution>> executions_;  // by profile; null: not made yet
  GraphCache<Recorded> graphs_;                         // gone before the buffers they use
};

}  // namespace tidewatch::tensorrt
