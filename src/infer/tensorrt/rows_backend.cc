// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "core/mutex.h"
#include "infer/batch_checks.h"
#include "infer/manifest.h"
#include "infer/tensorrt/tensorrt_backend.h"

namespace tidewatch::tensorrt {
namespace {

// What one lane works with.
struct Lane {
  Lane(const RowGrid& grid, std::unique_ptr<RowRunner> its_runner, RowPacker::Layout layout)
      : runner(std::move(its_runner)), packer(grid, layout) {}
  Mutex mu;
  std::unique_ptr<RowRunner> runner GUARDED_BY(mu);
  RowPacker packer GUARDED_BY(mu);
  std::vector<std::uint32_t> lengths GUARDED_BY(mu);
};

class RowsBackend final : public Backend {
 public:
  RowsBackend(const ModelManifest& manifest, RowGrid grid,
              std::vector<std::unique_ptr<RowRunner>> lanes, std::string precision,
              std::size_t instances, std::uint64_t weight_bytes, RowPacker::Layout layout,
              std::function<void()> release)
      : emotions_(manifest.emotion.labels.size()),
        topics_(manifest.topic.labels.size()),
        vocabulary_(manifest.vocabulary_size),
        precision_(std::move(precision)),
        grid_(std::move(grid)),
        release_(std::move(release)) {
    shapes_.batch_max = grid_.texts_max();
    shapes_.tokens_max = std::min<std::size_t>(manifest.max_length, grid_.width_max());
    shapes_.instances = std::max<std::size_t>(1, instances);
    shapes_.gains_from_batches = true;
    shapes_.packs_lengths = true;
    // So much nearly always fits one run of mixed lengths, whatever is left over in rows.
    shapes_.tokens_a_run = grid_.tokens() / 16 * 15;
    shapes_.batch_invariant = false;  // kernels differ by shape, in the last bits
    bytes_ = weight_bytes;
    for (auto& runner : lanes) {
      bytes_ += runner->memory_bytes();
      lanes_.push_back(std::make_unique<Lane>(grid_, std::move(runner), layout));
    }
    shapes_.runs_at_once = lanes_.size();
    busy_.resize(lanes_.size());
    fill_ = std::vector<std::atomic<float>>(shapes_.instances);
    for (auto& fill : fill_) fill = 1.0F;
  }
  ~RowsBackend() override { close(); }

  std::string name() const override { return "tensorrt"; }
  std::string precision() const override { return precision_; }
  const BackendShapes& shapes() const override { return shapes_; }
  std::uint64_t memory_bytes() const override { return bytes_; }
  double last_fill(std::size_t instance) const override {
    return static_cast<double>(fill_[instance].load(std::memory_order_relaxed));
  }

  Status run(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores) override {
    TRY(check_batch(shapes_, instance, batch, scores.size()));
    const std::shared_lock<std::shared_mutex> open(closing_);
    if (lanes_.empty()) return Error{Code::kFailedPrecondition, "the model was closed"};
    TRY(check_ids(shapes_, batch, vocabulary_));
    const LaneLease lease(*this);
    Lane& lane = *lanes_[lease.index()];
    const MutexLock lock(lane.mu);
    std::size_t computed = 0;
    for (std::size_t done = 0; done < batch.size();) {
      TRY_ASSIGN(const std::size_t texts, run_some(lane, batch, done, scores, computed));
      done += texts;
    }
    if (computed > 0) {
      fill_[instance].store(static_cast<float>(batch.ids.size()) / static_cast<float>(computed),
                            std::memory_order_relaxed);
    }
    return {};
  }

  void close() override {
    const std::unique_lock<std::shared_mutex> closing(closing_);
    if (lanes_.empty()) return;
    lanes_.clear();
    if (release_) release_();
  }

 private:
  // The first lane that is idle, waited for, for the length of a run.
  class LaneLease {
   public:
    explicit LaneLease(RowsBackend& owner) : owner_(owner) {
      const MutexLock lock(owner_.busy_mu_);
      while (true) {
        const auto idle = std::find(owner_.busy_.begin(), owner_.busy_.end(), false);
        index_ = static_cast<std::size_t>(idle - owner_.busy_.begin());
        if (idle != owner_.busy_.end()) break;
        owner_.idle_.wait(owner_.busy_mu_);
      }
      owner_.busy_[index_] = true;
    }
    ~LaneLease() {
      {
        const MutexLock lock(owner_.busy_mu_);
        owner_.busy_[index_] = false;
      }
      owner_.idle_.notify_one();
    }
    LaneLease(const LaneLease&) = delete;
    LaneLease& operator=(const LaneLease&) = delete;
    std::size_t index() const { return index_; }

   private:
    RowsBackend& owner_;
    std::size_t index_ = 0;
  };

  // One run, of as many texts from `first` on as fit. Gives their number.
  Result<std::size_t> run_some(Lane& lane, const RaggedBatch& batch, std::size_t first,
                               std::span<Scores> scores, std::size_t& computed) REQUIRES(lane.mu) {
    lane.lengths.clear();
    for (std::size_t i = first; i < batch.size(); ++i) {
      lane.lengths.push_back(batch.offsets[i + 1] - batch.offsets[i]);
    }
    const std::size_t count = lane.packer.pack(lane.lengths);
    const RowShape& shape = lane.packer.shape();
    const RowInputs in = lane.runner->inputs(shape);
    lay_out(lane, shape, batch, first, count, in);
    TRY(lane.runner->run(shape));
    computed += shape.tokens();
    const std::size_t width = emotions_ + topics_;
    for (std::size_t i = 0; i < count; ++i) {
      const TextPlace& place = lane.packer.places()[i];
      const float* logits = in.logits + (place.row * shape.slots + place.slot) * width;
      fill_scores({logits, emotions_}, {logits + emotions_, topics_}, scores[first + i]);
    }
    return count;
  }

  static void lay_out(Lane& lane, const RowShape& shape, const RaggedBatch& batch,
                      std::size_t first, std::size_t count, const RowInputs& in) REQUIRES(lane.mu) {
    std::fill_n(in.token_ids, shape.tokens(), 0);
    std::fill_n(in.positions, shape.tokens(), 0);
    std::fill_n(in.texts, shape.tokens(), -1);
    std::fill_n(in.shares, shape.texts(), 0.0F);
    for (std::size_t s = 0; s < shape.slots; ++s) in.slot_numbers[s] = static_cast<std::int32_t>(s);
    for (std::size_t i = 0; i < count; ++i) {
      const TextPlace& place = lane.packer.places()[i];
      const std::size_t length = lane.lengths[i];
      const std::size_t at = place.row * shape.width + place.begin;
      std::copy_n(batch.ids.data() + batch.offsets[first + i], length, in.token_ids + at);
      for (std::size_t k = 0; k < length; ++k) in.positions[at + k] = static_cast<std::int32_t>(k);
      std::fill_n(in.texts + at, length, static_cast<std::int32_t>(place.slot));
      in.shares[place.row * shape.slots + place.slot] = 1.0F / static_cast<float>(length);
    }
  }

  const std::size_t emotions_;
  const std::size_t topics_;
  const std::size_t vocabulary_;
  const std::string precision_;
  const RowGrid grid_;
  const std::function<void()> release_;
  BackendShapes shapes_;
  std::uint64_t bytes_ = 0;
  std::vector<std::atomic<float>> fill_;      // by instance, of its last run
  std::shared_mutex closing_;                 // shared: a run is under way; exclusive: close()
  std::vector<std::unique_ptr<Lane>> lanes_;  // until close()
  Mutex busy_mu_;
  CondVar idle_;
  std::vector<bool> busy_ GUARDED_BY(busy_mu_);  // by lane
};

}  // namespace

std::unique_ptr<Backend> make_rows_backend(const ModelManifest& manifest, RowGrid grid,
                                           std::vector<std::unique_ptr<RowRunner>> lanes,
                                           std::string precision, std::size_t instances,
                                           std::uint64_t weight_bytes, RowPacker::Layout layout,
                                           std::function<void()> release) {
  return std::make_unique<RowsBackend>(manifest, std::move(grid), std::move(lanes),
                                       std::move(precision), instances, weight_bytes, layout,
                                       std::move(release));
}

}  // namespace tidewatch::tensorrt
