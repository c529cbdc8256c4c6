// SPDX-License-Identifier: Apache-2.0
#include "app/source_desk.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/rfc3339.h"
#include "core/thread_name.h"
#include "sources/make_source.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

Json time_json(const std::optional<EventTime>& time) {
  return time ? Json(to_rfc3339(*time)) : Json();
}

Json view_json(const SourceStatus::View& view) {
  return {{"name", view.name},
          {"type", view.type},
          {"state", state_name(view.state)},
          {"stored", view.stored},
          {"duplicates", view.duplicates},
          {"rejected", view.rejected},
          {"errors", view.errors},
          {"slowed", view.slowed},
          {"lag", view.lag ? Json(*view.lag) : Json()},
          {"lag_unit", view.lag_unit},
          {"last_message_at", time_json(view.last_message_at)},
          {"last_error", view.last_error},
          {"last_error_at", time_json(view.last_error_at)},
          {"next_attempt_at", time_json(view.next_attempt_at)}};
}

}  // namespace

// One post's way back to its connector.
struct PipelineSink::Told final : CommitListener {
  Told(std::shared_ptr<ReceiptListener> to, Metrics& counts,
       std::shared_ptr<std::atomic<std::size_t>> under_way)
      : listener(std::move(to)), metrics(counts), in_flight(std::move(under_way)) {}

  void committed(std::uint64_t ticket, Outcome outcome, const Status& status) override {
    in_flight->fetch_sub(1, std::memory_order_relaxed);
    switch (outcome) {
      case Outcome::kStored:
        metrics.posts_accepted().add();
        listener->told(ticket, Receipt::kStored, "");
        break;
      case Outcome::kDuplicate:
        metrics.posts_duplicate().add();
        listener->told(ticket, Receipt::kDuplicate, "");
        break;
      case Outcome::kFailed:
        listener->told(ticket, Receipt::kFailed, status.error().message);
        break;
    }
  }

  const std::shared_ptr<ReceiptListener> listener;
  Metrics& metrics;
  const std::shared_ptr<std::atomic<std::size_t>> in_flight;
};

PipelineSink::PipelineSink(Pipeline& pipeline, Metrics& metrics, const Clock& clock)
    : pipeline_(pipeline),
      metrics_(metrics),
      clock_(clock),
      in_flight_max_(std::max<std::size_t>(1, pipeline.in_flight_max() / 2)),
      in_flight_(std::make_shared<std::atomic<std::size_t>>(0)) {}

bool PipelineSink::offer(Post& post, const std::shared_ptr<ReceiptListener>& listener,
                         std::uint64_t ticket) {
  if (in_flight_->fetch_add(1, std::memory_order_relaxed) < in_flight_max_) {
    const auto admission =
        pipeline_.submit(std::move(post), clock_.steady_now(),
                         std::make_shared<Told>(listener, metrics_, in_flight_), ticket,
                         /*wait=*/false);
    if (admission == Pipeline::Admission::kAdmitted) return true;
  }
  in_flight_->fetch_sub(1, std::memory_order_relaxed);
  return false;
}

SourceDesk::SourceDesk(Pipeline& pipeline, Metrics& metrics, const Clock& clock)
    : sink_(pipeline, metrics, clock) {}

SourceDesk::~SourceDesk() {
  for (std::jthread& thread : threads_)
    thread.request_stop();  // all at once, then each is waited for
}

Result<std::unique_ptr<SourceDesk>> SourceDesk::create(const SourceList& options,
                                                       const DecodeLimits& limits,
                                                       const std::filesystem::path& data_dir,
                                                       Pipeline& pipeline, Metrics& metrics,
                                                       const Clock& clock) {
  std::unique_ptr<SourceDesk> desk(new SourceDesk(pipeline, metrics, clock));
  const SourceContext context{clock, desk->sink_, desk->pauser_, limits, data_dir / "sources"};
  for (const SourceOptions& one : options.all) {
    TRY_ASSIGN(auto source, make_source(one, context));
    desk->sources_.push_back(std::move(source));
  }
  return desk;
}

void SourceDesk::start() {
  for (const auto& source : sources_) {
    threads_.emplace_back([&one = *source](const std::stop_token& stop) {
      name_thread("src-" + one.status().name());
      one.run(stop);
    });
  }
}

std::string SourceDesk::json() const {
  Json list = Json::array();
  for (const auto& source : sources_) list.push_back(view_json(source->status().view()));
  return Json{{"sources", std::move(list)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void SourceDesk::refresh(Metrics& metrics) const {
  const auto bring_up = [](Counter& counter, std::uint64_t to) {
    counter.add(to - counter.value());
  };
  for (const auto& source : sources_) {
    const SourceStatus::View view = source->status().view();
    Metrics::SourceFigures& figures = metrics.source(view.name);
    bring_up(figures.stored, view.stored);
    bring_up(figures.duplicates, view.duplicates);
    bring_up(figures.rejected, view.rejected);
    bring_up(figures.errors, view.errors);
    bring_up(figures.slowed, view.slowed);
    figures.lag.set(view.lag.value_or(std::numeric_limits<double>::quiet_NaN()));
    const bool up = view.state == SourceState::kRunning || view.state == SourceState::kBehind;
    figures.up.set(up ? 1 : 0);
  }
}

}  // namespace tidewatch
