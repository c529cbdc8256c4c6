// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/canary_watch.h"
#include "app/inference.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "infer/canary_rules.h"
#include "infer/model_registry.h"
#include "infer/swap_rules.h"
#include "observe/metrics.h"

namespace tidewatch {

// What a swap, or a refused one, has to tell. Times of steps that were not reached are 0.
struct SwapReport {
  std::string model;
  std::string from_version;
  std::string to_version;
  std::string from_engine;  // empty: the bundled model
  std::string to_engine;
  std::optional<Error> refused;
  std::vector<std::string> reasons;    // the limits that it passed
  std::optional<SwapFigures> figures;  // when it was validated
  SwapLimits limits;
  std::chrono::nanoseconds load{0};
  std::chrono::nanoseconds warm_up{0};
  std::chrono::nanoseconds validate{0};
  std::chrono::nanoseconds first_answer{0};  // from the switch to the new model's first answer
  std::chrono::nanoseconds drain{0};         // from the switch until the old one ran no more
  bool freed = false;                        // whether the old one is gone already
};

enum class CanaryState : std::uint8_t { kRunning, kPromoted, kRolledBack, kEnded };
std::string_view canary_state_name(CanaryState state) noexcept;

struct CanaryRequest {
  std::string engine;
  double percent = 5;
  bool shadow = false;
  CanaryLimits limits;
  std::chrono::milliseconds probe_every{60'000};
};

struct CanaryReport {
  std::string model;
  std::string live_version;
  std::string candidate_version;
  CanaryRequest request;
  CanaryState state = CanaryState::kRunning;
  std::string reason;
  CanaryFigures figures;
};

// What is active in a model's slot, for GET /v1/models.
struct SlotState {
  std::string engine;                   // empty: the bundled model
  std::optional<std::string> previous;  // what a rollback returns to; empty: the bundled model
};

// Changes the models of a running engine: swaps, rollbacks and canaries, one operation at a time,
// and remembers across restarts which engine is active.
//
// Ownership: everything passed by reference must outlive it; destroy it before the inference.
// Threads: every member may be called concurrently; operations block for up to seconds.
// Errors: kAborted while another operation is under way; kNotFound (no such model, engine or
// canary); those of load_engine; a failed validation is a report with `refused` set.
class ModelControl {
 public:
  struct Options {
    std::filesystem::path engines_dir;
    std::filesystem::path state_file;  // empty: nothing is remembered
    SwapLimits swap;
    CanaryLimits canary;
    std::chrono::milliseconds probe_every{60'000};
    std::string golden_file;  // empty: the bundled texts
  };

  static Result<std::unique_ptr<ModelControl>> create(const Options& options,
                                                      ModelRegistry& registry, Inference& inference,
                                                      const Clock& clock, Metrics& metrics);
  ~ModelControl();
  ModelControl(const ModelControl&) = delete;
  ModelControl& operator=(const ModelControl&) = delete;

  // Takes up what the state file says. An engine that is gone, damaged or not the one that was
  // validated leaves the bundled model in place, with an error in the log.
  void restore();

  const Options& options() const { return options_; }
  // `model` may be empty when one is served.
  SwapReport swap(const std::string& model, const std::string& engine, const SwapLimits& limits);
  // Not validated again, unless the file is another than the one that answered before.
  SwapReport rollback(const std::string& model);
  Result<CanaryReport> start_canary(const std::string& model, const CanaryRequest& request);
  Result<CanaryReport> canary(const std::string& model) const;  // running, or the last one
  Result<CanaryReport> promote_canary(const std::string& model);
  Result<CanaryReport> end_canary(const std::string& model);
  SlotState state_of(const std::string& model) const EXCLUDES(mu_);

 private:
  struct Canary;
  class Operation;

  ModelControl(const Options& options, ModelRegistry& registry, Inference& inference,
               const Clock& clock, Metrics& metrics, std::vector<ProbeText> golden);
  Result<ModelSlot*> find_slot(const std::string& model) const;
  Result<std::shared_ptr<LiveModel>> load(const ModelSlot& slot, const std::string& engine) const;
  Status warm_up(LiveModel& model) const;
  Status validate(LiveModel& was, LiveModel& is, SwapReport& report) const;
  // `rolls_back_to`: the sha256 of a file that is not validated again, a rollback's.
  SwapReport exchange(ModelSlot& slot, const std::string& engine, const SwapLimits& limits,
                      const std::optional<std::string>& rolls_back_to);
  // Makes `next` answer; fills the report's times. The result cache is emptied.
  void switch_to(ModelSlot& slot, std::shared_ptr<LiveModel> next, SwapReport& report);
  void remember(const ModelSlot& slot, const std::string& engine_before,
                const std::string& sha256_before) EXCLUDES(mu_);
  Status write_state() const REQUIRES(mu_);
  std::shared_ptr<Canary> find_canary(const std::string& model) const EXCLUDES(mu_);
  CanaryReport report_of(const Canary& canary) const EXCLUDES(mu_);
  void finish(ModelSlot& slot, Canary& canary, CanaryState state, const std::string& reason);
  // promote_canary and end_canary, which differ in the state alone.
  Result<CanaryReport> finish_by_request(const std::string& model, CanaryState state);
  void decided(const std::string& model, const CanaryWatch* watch, const CanaryDecision& decision);

  const Options options_;
  ModelRegistry& registry_;
  Inference& inference_;
  const Clock& clock_;
  Metrics& metrics_;
  const std::vector<ProbeText> golden_;
  std::vector<ProbeText> probes_;  // the labelled part

  struct Remembered {
    std::string engine;
    std::string sha256;
    std::optional<std::string> previous;
    std::string previous_sha256;  // empty: the bundled model's, or not known
  };
  mutable Mutex mu_;
  CondVar operation_ended_;
  bool operating_ GUARDED_BY(mu_) = false;
  bool closing_ GUARDED_BY(mu_) = false;
  std::map<std::string, Remembered> remembered_ GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<Canary>> canaries_ GUARDED_BY(mu_);
};

}  // namespace tidewatch
