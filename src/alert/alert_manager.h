// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "alert/alert.h"
#include "core/result.h"
#include "detect/change.h"
#include "infer/scores.h"

namespace tidewatch {

// Where the manager finds posts to show. The aggregate stage's ring of recent posts, adapted in
// app. Called only from within AlertManager::on_changes, on its thread.
class EvidenceSource {
 public:
  virtual ~EvidenceSource() = default;
  // At most `count_max` recent posts of the key, the newest first; with `negative_first` every
  // negative one stands before the others. Empty when the key was forgotten.
  virtual std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max,
                                             bool negative_first) = 0;
  // Who drives the key's posts since then (Unix seconds) and how they spread.
  virtual WaveShape shape(KeyId key, std::int64_t since) {
    static_cast<void>(key);
    static_cast<void>(since);
    return {};
  }
};

// One thing to tell: the alert as it stands after the event.
struct AlertUpdate {
  Alert alert;
  AlertEvent event = AlertEvent::kOpened;
};

// All times are event time.
struct AlertOptions {
  // Severity goes by unique authors, so that copy-paste by a few does not raise it. `ratio` is
  // to_rate / from_rate of a volume change, `share` the negative share of either kind.
  // A level is reached with its authors and either its ratio or its share.
  struct Level {
    std::uint64_t authors_min;
    double ratio_min;
    double share_min;
  };
  Level warning{30, 4.0, 0.5};
  Level critical{200, 8.0, 0.7};

  std::size_t evidence_min = 3;              // no alert is told with fewer posts to show
  std::size_t evidence_max = 10;             // ids kept in an alert
  std::size_t evidence_considered_max = 64;  // posts looked at for evidence, terms and overlap
  std::size_t terms_max = 8;

  // An update is told when the severity rose, when a volume rate rose by this factor or a negative
  // share by this much since it was last told, or when the alert got another leading change; and
  // never sooner than `update_interval` after the last telling.
  double update_rate_factor = 1.5;
  double update_share_step = 0.15;
  std::chrono::seconds update_interval{60};

  // A wave that starts again this soon after its alert was closed continues that alert.
  std::chrono::seconds merge_window{15 * 60};
  // Changes of one key, one of volume and one of negative share, that start within this time of
  // each other are one alert (the negative one leads).
  std::chrono::seconds join_window{10 * 60};
  // Changes of different keys (topic x region keys and hashtags) that start within join_window are
  // one alert when at least this share of their recent posts are the same posts. Later ones join
  // only when of the same kind and a broader key (an echo). Above 1: never joined.
  double related_overlap_min = 0.5;

  std::size_t open_max = 10'000;    // waves under watch; further ones are not opened, but counted
  std::size_t closed_max = 10'000;  // closed alerts remembered for merge_window; oldest forgotten
};

// Turns changes into alerts that people can bear: one wave, one alert.
//
// A change that starts opens an alert as soon as there are `evidence_min` posts to show (until
// then it waits untold, and is dropped without a word when the wave ends first); while it goes on
// the alert is updated, but told only when something is worth telling; it is closed when every
// change in it has ended. README.md says which changes share an alert and which one leads (gives
// key, kind, rates and title). Only event time is used: the same changes and evidence give the
// same updates, ids included. States are open and closed here; what people do with an alert stands
// beside the stream (life_cycle.h), so that it never changes what a replay says. An alert's id
// stays when its lead, and so its key or kind, changes.
//
// Ownership: the source must outlive the manager. Threads: on_changes and restore are for one
// thread (the counting thread); every other member may be called concurrently.
// Errors: on_changes cannot fail.
class AlertManager {
 public:
  AlertManager(AlertOptions options, LabelSchema schema, EvidenceSource& source);
  ~AlertManager();
  AlertManager(const AlertManager&) = delete;
  AlertManager& operator=(const AlertManager&) = delete;

  // Appends what is to be told, in a fixed order. Changes come in order of `at`.
  void on_changes(std::span<const Change> changes, std::vector<AlertUpdate>& updates);

  // After a restart: alerts as the store has them, so that waves still going on are not opened
  // twice and do get closed. Closed ones are remembered for merge_window. A restored alert is
  // bound to its key by the key's text form, at the next change with that name. The posts of the
  // last hours may then be counted once more to warm up: what happened up to `told_until` (or the
  // latest updated_at) was told by the earlier run and is not told again; a wave that goes on
  // beyond is told from there. Call it before on_changes; several calls add up.
  void restore(std::span<const Alert> alerts, EventTime told_until = {});

  // Closes restored alerts that ended while posts were counted once more, and those of which
  // nothing was heard for `silence` of event time before `now`: the detector does not remember
  // their waves, so nothing else would end them. The counting thread calls it with the watermark
  // now and then (cheap when there are none).
  void close_orphans(EventTime now, std::vector<AlertUpdate>& updates,
                     std::chrono::seconds silence = std::chrono::minutes{15});

  // Told and not closed, the oldest first, with their latest numbers.
  std::vector<Alert> open() const;
  std::size_t open_count() const;
  std::size_t waiting_count() const;    // started, but without enough evidence so far
  std::uint64_t refused_total() const;  // not opened because open_max was reached

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tidewatch
