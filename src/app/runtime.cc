// SPDX-License-Identifier: Apache-2.0
#include "app/runtime.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "alert/log_channel.h"
#include "app/engine_api.h"
#include "app/source_desk.h"
#include "observe/log.h"
#include "sources/make_source.h"

namespace tidewatch {
namespace {

// Of the store, after a restart: at least so much, and from ten minutes before the last minute that
// was written, but no more than a day.
constexpr std::chrono::minutes kRecount{30};
constexpr std::chrono::hours kRecountMax{24};

// Ids for posts without one: of their own in every run of a server; in a replay the same for the
// same files into an empty store, and new ones where the store already holds posts.
std::string fresh_prefix(Runtime::Mode mode, const Clock& clock, Sequence last) {
  if (mode == Runtime::Mode::kReplay) {
    return last.value == 0 ? "line" : fmt::format("line-{}", last.value);
  }
  return fmt::format("tw-{:x}-{:x}", clock.wall_now().time_since_epoch().count(), ::getpid());
}

}  // namespace

Runtime::Runtime(const Config& config, Mode mode, const Clock& clock, Hooks hooks)
    : config_(config), mode_(mode), clock_(clock), hooks_(std::move(hooks)) {}

Result<std::unique_ptr<Runtime>> Runtime::start(const Config& config, Mode mode, const Clock& clock,
                                                Hooks hooks) {
  std::unique_ptr<Runtime> runtime(new Runtime(config, mode, clock, std::move(hooks)));
  TRY(runtime->open());
  return runtime;
}

Status Runtime::open() {
  registry_ = std::make_unique<ModelRegistry>(config_.models(), config_.backend_options());
  Inference::Options inference = config_.inference;
  // Whatever is admitted fits, whatever classify calls ask beside it: submit never waits.
  inference.must_run_items = config_.pipeline.posts_in_flight_max;
  inference.bucket_items_max =
      std::max(inference.bucket_items_max, 2 * kClassifyTextsMax) + inference.must_run_items;
  // A replay escalates by margin only; a live stream never waits for the second model.
  inference.escalation_waits = mode_ == Mode::kReplay;
  inference.measure = mode_ == Mode::kServe;
  Result<std::unique_ptr<Inference>> created =
      Inference::create(*registry_, inference, clock_, metrics_);
  if (!created && created.error().code == Code::kUnavailable &&
      config_.inference.backend == BackendKind::kTensorRt) {
    // A machine that lost its GPU still serves; posts wait for nobody.
    log(LogLevel::kWarning, "infer", "no TensorRT here: serving on the CPU",
        {{"why", created.error().message}});
    BackendOptions on_cpu = config_.backend_options();
    on_cpu.kind = BackendKind::kAuto;
    registry_ = std::make_unique<ModelRegistry>(config_.models(), on_cpu);
    created = Inference::create(*registry_, inference, clock_, metrics_);
  }
  if (!created) return created.error();
  inference_ = *std::move(created);
  if (const Status topics = check_topics(config_.subscribers, inference_->labels().topics);
      !topics) {
    return Error{topics.error().code, "[[subscriber]]: " + topics.error().message};
  }
  StoreOptions store = config_.store;
  store.say = [](const std::string& what) { log(LogLevel::kInfo, "store", what); };
  TRY_ASSIGN(store_, Store::open(std::move(store), clock_));
  TRY(open_control());
  fresh_ids_ = std::make_unique<FreshIds>(fresh_prefix(mode_, clock_, store_->stats().last));

  Counting::Options counting;
  counting.watch.aggregate = config_.aggregate;
  counting.watch.detect = config_.detect;
  counting.follow_wall_clock = mode_ == Mode::kServe;
  AlertDesk::Options desk;
  if (mode_ == Mode::kServe) {
    desk.listeners.push_back("log");
    desk.subscribers = config_.subscribers;
    desk.public_url = config_.public_url;
    TRY(start_sender());
  }
  desk_ = std::make_unique<AlertDesk>(
      std::move(desk), clock_, *store_, [this](const AlertUpdate& update) {
        if (update.event == AlertEvent::kOpened) {
          metrics_.alerts(update.alert.kind, update.alert.severity).add();
        }
        if (sender_) sender_->notify();
        if (hooks_.on_alert) hooks_.on_alert(update);
      });
  counting_ =
      std::make_unique<Counting>(counting, inference_->labels(), clock_, *store_, *desk_, times_);
  if (mode_ == Mode::kServe) {
    TRY(desk_->restore());
    desk_->start();
  }
  TRY_ASSIGN(rules_, RuleBook::create(config_.rules, config_.topic_groups, inference_->labels(),
                                      *store_, [this](std::shared_ptr<const RuleMatcher> rules) {
                                        counting_->set_rules(std::move(rules));
                                      }));
  if (mode_ == Mode::kServe) TRY(counting_->restore(kRecount, kRecountMax));
  counting_->start();
  pipeline_ = std::make_unique<Pipeline>(config_.pipeline, clock_, *inference_, *store_, times_,
                                         [this](std::span<CommittedPost> posts) {
                                           if (hooks_.on_stored) hooks_.on_stored(posts);
                                           counting_->push(posts);
                                         });
  if (mode_ == Mode::kServe && !config_.reports.empty()) {
    TRY_ASSIGN(reports_, ReportDesk::create(report_options(), clock_, *store_, [this] {
                 if (sender_) sender_->notify();
               }));
    reports_->start();
  }
  if (mode_ == Mode::kServe) {
    const SourceList none;
    TRY_ASSIGN(sources_,
               SourceDesk::create(config_.sources ? *config_.sources : none, config_.decode,
                                  config_.store.dir, *pipeline_, metrics_, clock_));
  }
  return {};
}

// After the store: it holds the data folder. A replay answers by the model that it is told.
Status Runtime::open_control() {
  ModelControl::Options options = config_.control;
  options.engines_dir = config_.engines();
  if (mode_ == Mode::kServe) options.state_file = config_.store.dir / "engines.json";
  TRY_ASSIGN(control_, ModelControl::create(options, *registry_, *inference_, clock_, metrics_));
  control_->restore();
  return {};
}

Status Runtime::start_sender() {
  std::vector<std::unique_ptr<Channel>> channels;
  channels.push_back(std::make_unique<LogChannel>("log"));
  for (const ChannelOptions& options : config_.channels) {
    TRY_ASSIGN(auto channel, make_channel(options, clock_));
    channels.push_back(std::move(channel));
  }
  sender_ = std::make_unique<OutboxSender>(*store_, std::move(channels), clock_);
  sender_->start();
  return {};
}

ReportDesk::Options Runtime::report_options() const {
  ReportDesk::Options options;
  options.schedules = config_.reports;
  options.folder = config_.store.dir / "reports";
  options.known_topics = inference_->labels().topics;
  options.topic_probability_min = static_cast<double>(config_.aggregate.topic_probability_min);
  options.public_url = config_.public_url;
  // A minute is counted once it is past, and what may be late with it.
  options.grace = config_.aggregate.lateness + std::chrono::seconds{90};
  return options;
}

Runtime::~Runtime() { stop(); }

void Runtime::finish() {
  if (pipeline_) pipeline_->drain();
  if (counting_) counting_->finish();
}

void Runtime::stop() {
  sources_.reset();
  reports_.reset();
  if (pipeline_) pipeline_->drain();
  pipeline_.reset();
  rules_.reset();
  counting_.reset();
  desk_.reset();
  sender_.reset();
  control_.reset();
  inference_.reset();
  store_.reset();
}

void Runtime::refresh_gauges() {
  MutexLock lock(gauges_mu_);
  const StoreStats stats = store_->stats();
  metrics_.store_commits().add(stats.commits - metrics_.store_commits().value());
  metrics_.store_fsyncs().add(stats.fsyncs - metrics_.store_fsyncs().value());
  metrics_.index_lag_posts().set(static_cast<double>(stats.index_lag_posts));
  metrics_.store_posts().set(static_cast<double>(stats.posts));
  metrics_.store_bytes().set(static_cast<double>(stats.bytes));
  metrics_.store_partitions().set(static_cast<double>(stats.partitions));
  metrics_.store_over_budget().set(stats.over_budget ? 1 : 0);
  Counter& aged = metrics_.store_partitions_removed("age");
  aged.add(stats.partitions_removed_by_age - aged.value());
  Counter& sized = metrics_.store_partitions_removed("size");
  sized.add(stats.partitions_removed_by_size - sized.value());
  Counter& compacted = metrics_.store_bytes_compacted();
  compacted.add(stats.bytes_compacted - compacted.value());
  metrics_.outbox_messages().set(static_cast<double>(stats.outbox_messages));
  if (const auto counts = store_->outbox_counts()) {
    std::uint64_t dead = 0;
    for (const OutboxCount& count : *counts) dead += count.dead;
    metrics_.dead_letters().set(static_cast<double>(dead));
  }
  if (sender_) {
    const auto bring_up = [&](const std::string& channel, const char* result, std::uint64_t to) {
      Counter& counter = metrics_.channel_messages(channel, result);
      counter.add(to - counter.value());
    };
    for (const OutboxSender::ChannelState& state : sender_->channels()) {
      bring_up(state.name, "delivered", state.totals.delivered);
      bring_up(state.name, "failed", state.totals.failed);
      bring_up(state.name, "dead", state.totals.dead);
    }
  }
  if (sources_) sources_->refresh(metrics_);
  metrics_.open_alerts().set(static_cast<double>(counting_->open_alerts()));
  metrics_.queue_depth("ingest").set(static_cast<double>(pipeline_->in_flight()));
  metrics_.queue_depth("infer").set(static_cast<double>(inference_->queue_depth()));
  if (inference_->models().size() > 1) {
    metrics_.queue_depth("escalation")
        .set(static_cast<double>(inference_->escalation_queue_depth()));
  }
  metrics_.queue_depth("count").set(static_cast<double>(counting_->queue_depth()));
  const std::uint64_t late = counting_->stats().late;
  metrics_.late_posts().add(late - metrics_.late_posts().value());
}

}  // namespace tidewatch
