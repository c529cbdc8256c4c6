// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/graph_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "infer/tensorrt/packed_encoder.h"

namespace tidewatch::tensorrt {
namespace {

constexpr std::size_t kAlignment = 256;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}
std::int64_t dim(std::size_t size) { return static_cast<std::int64_t>(size); }

}  // namespace

// Offsets of a shape's tensors in the blocks of host and device, the same in both: the inputs one
// after another, so that one copy brings them all, then the logits.
struct GraphRunner::Layout {
  std::size_t token_ids = 0;
  std::size_t positions = 0;
  std::size_t texts = 0;
  std::size_t slot_numbers = 0;
  std::size_t shares = 0;
  std::size_t logits = 0;
  std::size_t end = 0;
};

GraphRunner::Layout GraphRunner::layout_of(const RowShape& shape) const {
  Layout layout;
  const std::size_t ids = aligned(shape.tokens() * sizeof(std::int32_t));
  layout.positions = ids;
  layout.texts = layout.positions + ids;
  layout.slot_numbers = layout.texts + ids;
  layout.shares = layout.slot_numbers + aligned(shape.slots * sizeof(std::int32_t));
  layout.logits = layout.shares + aligned(shape.texts() * sizeof(float));
  layout.end = layout.logits + aligned(shape.texts() * logits_width_ * sizeof(float));
  return layout;
}

GraphRunner::GraphRunner(std::shared_ptr<Gpu> gpu, std::shared_ptr<Plan> plan, Stream stream,
                         const RowGrid& grid, std::size_t logits_width, std::size_t vocabulary,
                         std::size_t positions, GraphUse use)
    : gpu_(std::move(gpu)),
      plan_(std::move(plan)),
      stream_(std::move(stream)),
      logits_width_(logits_width),
      vocabulary_(vocabulary),
      positions_(positions),
      use_(use),
      graphs_(grid.shapes()) {
  executions_.resize(plan_->profiles());
}

Result<std::unique_ptr<GraphRunner>> GraphRunner::create(
    std::shared_ptr<Gpu> gpu, std::shared_ptr<Plan> plan, const RowGrid& grid,
    std::size_t logits_width, std::size_t vocabulary, std::size_t positions, GraphUse use) {
  TRY_ASSIGN(Stream stream, Stream::create(gpu));
  std::unique_ptr<GraphRunner> runner(new GraphRunner(gpu, std::move(plan), std::move(stream), grid,
                                                      logits_width, vocabulary, positions, use));
  TRY(runner->open(grid));
  return runner;
}

Status GraphRunner::open(const RowGrid& grid) {
  const std::span<const RowShape> shapes = grid.shapes();
  std::size_t bytes = 0;
  std::size_t scratch = kAlignment;
  for (const RowShape& shape : shapes) {
    bytes = std::max(bytes, layout_of(shape).end);
    std::unique_ptr<Execution>& execution = executions_[shape.profile];
    TRY(prepare(shape, execution));
    TRY_ASSIGN(const std::size_t needed, execution->scratch_bytes());
    scratch = std::max(scratch, needed);
  }
  TRY_ASSIGN(device_, DeviceBuffer::allocate(gpu_, bytes));
  TRY_ASSIGN(host_, PinnedBuffer::allocate(gpu_, bytes));
  TRY_ASSIGN(arena_, DeviceBuffer::allocate(gpu_, scratch));
  if (use_ == GraphUse::kNone) return {};
  const bool own = use_ == GraphUse::kOwn;
  for (const RowShape& shape : shapes) {
    TRY(graphs_.get(shape, [&](const RowShape& s) { return record(s, own); }));
  }
  for (const RowShape& shape : shapes) TRY(check(shape));
  return {};
}

Status GraphRunner::check(const RowShape& shape) {
  TRY_ASSIGN(Recorded * recorded,
             graphs_.get(shape, [&](const RowShape& s) { return record(s, /*own=*/true); }));
  lay_check_texts(shape);
  TRY(recorded->graph.launch(stream_.handle()));
  TRY(stream_.wait());
  const std::vector<float> plain = std::exchange(recorded->logits, {});
  if (std::memcmp(inputs(shape).logits, plain.data(), plain.size() * sizeof(float)) == 0) return {};
  TRY_ASSIGN(*recorded, record(shape, /*own=*/true));
  recorded->logits.clear();
  return {};
}

RowInputs GraphRunner::inputs(const RowShape& shape) {
  const Layout layout = layout_of(shape);
  const auto at = [&]<typename T>(T*, std::size_t offset) {
    return reinterpret_cast<T*>(host_.data() + offset);
  };
  constexpr std::int32_t* kInt = nullptr;
  constexpr float* kFloat = nullptr;
  return {at(kInt, layout.token_ids),    at(kInt, layout.positions), at(kInt, layout.texts),
          at(kInt, layout.slot_numbers), at(kFloat, layout.shares),  at(kFloat, layout.logits)};
}

Status GraphRunner::prepare(const RowShape& shape, std::unique_ptr<Execution>& holder) {
  if (holder == nullptr) {
    TRY_ASSIGN(holder, plan_->execution(shape.profile, stream_.handle()));
  }
  Execution* execution = holder.get();
  const std::array<std::int64_t, 2> ids{dim(shape.rows), dim(shape.width)};
  const std::array<std::int64_t, 1> numbers{dim(shape.slots)};
  const std::array<std::int64_t, 2> shares{dim(shape.rows), dim(shape.slots)};
  for (const char* name : {kTokenIds, kPositions, kTexts}) TRY(execution->set_shape(name, ids));
  TRY(execution->set_shape(kSlotNumbers, numbers));
  return execution->set_shape(kShares, shares);
}

Status GraphRunner::queue(Execution& execution, const RowShape& shape) {
  const Layout layout = layout_of(shape);
  TRY(stream_.copy_to_device(device_.address(), host_.data(), layout.logits));
  TRY(execution.enqueue(stream_.handle()));
  return stream_.copy_to_host(host_.data() + layout.logits, device_.address() + layout.logits,
                              shape.texts() * logits_width_ * sizeof(float));
}

void GraphRunner::lay_check_texts(const RowShape& shape) {
  // Two texts a row, the first a third of it, and the rest of the last row empty.
  const RowInputs in = inputs(shape);
  const std::size_t split = std::max<std::size_t>(1, shape.width / 3);
  for (std::size_t row = 0; row < shape.rows; ++row) {
    for (std::size_t k = 0; k < shape.width; ++k) {
      const std::size_t at = row * shape.width + k;
      const bool first = k < split || shape.slots == 1;
      in.token_ids[at] = static_cast<std::int32_t>(at * 7'919 % vocabulary_);
      in.positions[at] = static_cast<std::int32_t>((first ? k : k - split) % positions_);
      in.texts[at] = first ? 0 : row + 1 == shape.rows ? -1 : 1;
    }
    for (std::size_t s = 0; s < shape.slots; ++s) {
      in.shares[row * shape.slots + s] = s < 2 ? 1.0F / static_cast<float>(split) : 0.0F;
    }
  }
  for (std::size_t s = 0; s < shape.slots; ++s) in.slot_numbers[s] = static_cast<std::int32_t>(s);
}

// Gives an execution of this shape its scratch memory and its places in the device's block.
Status GraphRunner::point(Execution& execution, const RowShape& shape) {
  const Layout layout = layout_of(shape);
  TRY_ASSIGN(const std::size_t needed, execution.scratch_bytes());
  if (needed > arena_.bytes()) {
    return Error{Code::kInternal,
                 fmt::format("a shape needs {} bytes of scratch memory, {} are there", needed,
                             arena_.bytes())};
  }
  TRY(execution.lend_scratch(arena_.address(), arena_.bytes()));
  for (const auto& [name, offset] : {std::pair{kTokenIds, layout.token_ids},
                                     {kPositions, layout.positions},
                                     {kTexts, layout.texts},
                                     {kSlotNumbers, layout.slot_numbers},
                                     {kShares, layout.shares},
                                     {kLogits, layout.logits}}) {
    TRY(execution.set_address(name, device_.address() + offset));
  }
  return {};
}

Result<GraphRunner::Recorded> GraphRunner::record(const RowShape& shape, bool own) {
  Recorded recorded;
  std::unique_ptr<Execution>& holder = own ? recorded.own : executions_[shape.profile];
  TRY(prepare(shape, holder));
  Execution& execution = *holder;
  TRY(point(execution, shape));
  // TensorRT sets itself up in the first run of a shape, which is not for recording; the check
  // compares with its logits.
  lay_check_texts(shape);
  TRY(queue(execution, shape));
  TRY(stream_.wait());
  const float* logits = inputs(shape).logits;
  recorded.logits.assign(logits, logits + shape.texts() * logits_width_);
  TRY(stream_.begin_capture());
  const Status queued = queue(execution, shape);
  Result<Graph> graph = stream_.end_capture();
  TRY(queued);
  if (!graph) return graph.error();
  recorded.graph = std::move(*graph);
  return recorded;
}

Status GraphRunner::run(const RowShape& shape) {
  if (use_ == GraphUse::kNone) {
    std::unique_ptr<Execution>& execution = executions_[shape.profile];
    TRY(prepare(shape, execution));
    TRY(point(*execution, shape));
    TRY(queue(*execution, shape));
    return stream_.wait();
  }
  TRY_ASSIGN(const Recorded* recorded,
             graphs_.get(shape, [&](const RowShape& s) { return record(s, /*own=*/true); }));
  TRY(recorded->graph.launch(stream_.handle()));
  return stream_.wait();
}

}  // namespace tidewatch::tensorrt
