// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "alert/outbox_sender.h"
#include "app/alert_desk.h"
#include "app/config.h"
#include "app/counting.h"
#include "app/inference.h"
#include "app/model_control.h"
#include "app/pipeline.h"
#include "app/report_desk.h"
#include "app/rule_book.h"
#include "app/stage_times.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "infer/model_registry.h"
#include "ingest/post_decoder.h"
#include "observe/metrics.h"
#include "store/store.h"

namespace tidewatch {

class SourceDesk;

// All stages of one engine, wired together and running. `serve` and `replay` differ only in what
// feeds it, in whether the wall clock closes windows, and in whether alerts are sent.
//
// Ownership: clock must outlive it. Threads: the members handed out say so themselves; stop()
// from one thread. Life cycle: start(); feed posts to pipeline(); finish() (replay) or stop().
class Runtime {
 public:
  struct Hooks {
    AlertDesk::OnTold on_alert;                                     // any thread; must not block
    std::function<void(std::span<const CommittedPost>)> on_stored;  // writer thread; must not block
  };
  enum class Mode : std::uint8_t { kServe, kReplay };

  // Opens the store, loads the model and starts every thread. In serve mode what the store holds
  // of the last half hour is counted again first, so that a restart does not forget a wave.
  static Result<std::unique_ptr<Runtime>> start(const Config& config, Mode mode, const Clock& clock,
                                                Hooks hooks);
  ~Runtime();  // stops
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Waits for all admitted posts, closes all windows, writes what follows from that.
  void finish();
  // Waits for all admitted posts; open windows stay open and are counted again after a restart.
  void stop();

  const Config& config() const { return config_; }
  const Clock& clock() const { return clock_; }
  Metrics& metrics() { return metrics_; }
  StageTimes& times() { return times_; }
  Store& store() { return *store_; }
  ModelRegistry& registry() { return *registry_; }
  Inference& inference() { return *inference_; }
  ModelControl& control() { return *control_; }
  Counting& counting() { return *counting_; }
  AlertDesk& desk() { return *desk_; }
  OutboxSender* sender() { return sender_.get(); }  // null in a replay
  RuleBook& rules() { return *rules_; }
  Pipeline& pipeline() { return *pipeline_; }
  SourceDesk* sources() { return sources_.get(); }  // null in a replay
  FreshIds& fresh_ids() { return *fresh_ids_; }
  // Brings the gauges that are read rather than counted up to date (before a scrape).
  void refresh_gauges();

 private:
  Runtime(const Config& config, Mode mode, const Clock& clock, Hooks hooks);
  Status open();
  Status open_control();
  Status start_sender();
  ReportDesk::Options report_options() const;

  const Config config_;
  const Mode mode_;
  const Clock& clock_;
  const Hooks hooks_;
  Metrics metrics_;
  StageTimes times_{metrics_};
  std::unique_ptr<FreshIds> fresh_ids_;
  Mutex gauges_mu_;  // one scrape at a time: counters are brought up by differences
  // In the order of construction; destroyed the other way round.
  std::unique_ptr<Store> store_;
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<Inference> inference_;
  std::unique_ptr<ModelControl> control_;
  std::unique_ptr<OutboxSender> sender_;
  std::unique_ptr<AlertDesk> desk_;
  std::unique_ptr<Counting> counting_;
  std::unique_ptr<RuleBook> rules_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<ReportDesk> reports_;
  std::unique_ptr<SourceDesk> sources_;
};

}  // namespace tidewatch
