// SPDX-License-Identifier: Apache-2.0
#include "app/model_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "infer/calibration/recipe.h"
#include "infer/engine_file.h"
#include "infer/engine_loader.h"
#include "observe/log.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

// Lengths that a model has run once before it is live, on each instance.
constexpr std::size_t kWarmUpLengths[] = {8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};

std::string shown(const std::string& engine) { return engine.empty() ? "(bundled)" : engine; }

Result<std::string> read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Code::kNotFound, fmt::format("{}: cannot be read", path)};
  return std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string_view canary_state_name(CanaryState state) noexcept {
  switch (state) {
    case CanaryState::kRunning:
      return "running";
    case CanaryState::kPromoted:
      return "promoted";
    case CanaryState::kRolledBack:
      return "rolled_back";
    case CanaryState::kEnded:
      return "ended";
  }
  return "unknown";
}

// One canary, from its start on. The members that change are guarded by ModelControl::mu_.
struct ModelControl::Canary {
  std::string model;
  std::string live_version;
  std::string candidate_version;
  CanaryRequest request;
  CanaryState state = CanaryState::kRunning;
  std::string reason;
  std::shared_ptr<LiveModel> candidate;  // null once it is over
  std::shared_ptr<CanaryWatch> watch;
};

// One operation at a time.
class ModelControl::Operation {
 public:
  // `wait`: until the one under way has ended, or the control is closed. Else it must be free.
  Operation(ModelControl& control, bool wait) : control_(control) {
    MutexLock lock(control_.mu_);
    while (wait && control_.operating_ && !control_.closing_) {
      control_.operation_ended_.wait(control_.mu_);
    }
    held_ = !control_.operating_ && !control_.closing_;
    if (held_) control_.operating_ = true;
  }
  ~Operation() { end(); }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  explicit operator bool() const { return held_; }
  void end() {
    if (!held_) return;
    held_ = false;
    {
      MutexLock lock(control_.mu_);
      control_.operating_ = false;
    }
    control_.operation_ended_.notify_all();
  }
  static Error refused() {
    return {Code::kAborted,
            "another swap, rollback or change of a canary is under way; try again when it is done"};
  }

 private:
  ModelControl& control_;
  bool held_ = false;
};

Result<std::unique_ptr<ModelControl>> ModelControl::create(const Options& options,
                                                           ModelRegistry& registry,
                                                           Inference& inference, const Clock& clock,
                                                           Metrics& metrics) {
  std::string text{bundled_golden_json()};
  if (!options.golden_file.empty()) {
    TRY_ASSIGN(text, read_text(options.golden_file));
  }
  const std::string name = options.golden_file.empty() ? "golden.json" : options.golden_file;
  TRY_ASSIGN(const std::vector<GoldenText> golden,
             parse_golden_set(text, inference.labels(), name));
  std::vector<ProbeText> texts;
  for (const GoldenText& one : golden) {
    ProbeText probe{one, {}};
    inference.tokenize(one.text, probe.token_ids);
    if (!probe.token_ids.empty()) texts.push_back(std::move(probe));
  }
  return std::unique_ptr<ModelControl>(
      new ModelControl(options, registry, inference, clock, metrics, std::move(texts)));
}

ModelControl::ModelControl(const Options& options, ModelRegistry& registry, Inference& inference,
                           const Clock& clock, Metrics& metrics, std::vector<ProbeText> golden)
    : options_(options),
      registry_(registry),
      inference_(inference),
      clock_(clock),
      metrics_(metrics),
      golden_(std::move(golden)) {
  std::copy_if(golden_.begin(), golden_.end(), std::back_inserter(probes_),
               [](const ProbeText& probe) {
                 return probe.golden.emotion != kNoLabel || probe.golden.topic != kNoLabel;
               });
}

ModelControl::~ModelControl() {
  std::vector<std::shared_ptr<Canary>> running;
  {
    MutexLock lock(mu_);
    closing_ = true;
    for (const auto& [model, canary] : canaries_) running.push_back(canary);
  }
  operation_ended_.notify_all();
  for (const auto& canary : running) {
    if (const auto slot = find_slot(canary->model)) (*slot)->set_canary(std::nullopt);
    canary->watch->stop();
  }
}

Result<ModelSlot*> ModelControl::find_slot(const std::string& model) const {
  const std::vector<ModelSlot*> slots = inference_.slots();
  if (!inference_.classifies()) {
    return Error{Code::kFailedPrecondition, "no model is served: start with --model"};
  }
  std::vector<std::string> names;
  for (ModelSlot* slot : slots) {
    if (slot->name() == model || (model.empty() && slots.size() == 1)) return slot;
    names.push_back(slot->name());
  }
  if (model.empty()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("'model' must say which one of {}", fmt::join(names, ", "))};
  }
  return Error{Code::kNotFound, fmt::format("model '{}' is not served; there is: {}", model,
                                            fmt::join(names, ", "))};
}

Result<std::shared_ptr<LiveModel>> ModelControl::load(const ModelSlot& slot,
                                                      const std::string& engine) const {
  std::shared_ptr<const Model> model;
  if (engine.empty()) {
    TRY_ASSIGN(model, registry_.load_folder(slot.name()));
    TRY(check_takes_place(*model, *slot.model()));
  } else {
    TRY(check_engine_name(engine));
    TRY_ASSIGN(model, load_engine(registry_, options_.engines_dir / engine, *slot.model()));
  }
  return std::make_shared<LiveModel>(std::move(model), metrics_);
}

Status ModelControl::warm_up(LiveModel& model) const {
  const BackendShapes& shapes = model.model().backend->shapes();
  const std::vector<std::int32_t>* longest = nullptr;
  for (const ProbeText& text : golden_) {
    if (longest == nullptr || text.token_ids.size() > longest->size()) longest = &text.token_ids;
  }
  if (longest == nullptr) return {};
  for (std::size_t instance = 0; instance < shapes.instances; ++instance) {
    for (const std::size_t length : kWarmUpLengths) {
      if (length > shapes.tokens_max) break;
      std::vector<std::int32_t> ids;
      while (ids.size() < length) ids.push_back((*longest)[ids.size() % longest->size()]);
      TRY(model.warm_up(instance, ids));
    }
  }
  return {};
}

// Text by text, one model after the other, so that whatever else the machine does hits both alike.
Status ModelControl::validate(LiveModel& was, LiveModel& is, SwapReport& report) const {
  std::vector<GoldenText> texts;
  GoldenAnswers before;
  GoldenAnswers after;
  for (const ProbeText& probe : golden_) {
    const SteadyTime start = clock_.steady_now();
    TRY_ASSIGN(Scores old_scores, was.run_background(probe.token_ids));
    const SteadyTime middle = clock_.steady_now();
    TRY_ASSIGN(Scores new_scores, is.run_background(probe.token_ids));
    before.took.push_back(middle - start);
    after.took.push_back(clock_.steady_now() - middle);
    texts.push_back(probe.golden);
    before.scores.push_back(old_scores);
    after.scores.push_back(new_scores);
  }
  report.figures = compare_golden(texts, before, after);
  report.reasons = judge_swap(*report.figures, report.limits);
  if (report.reasons.empty()) return {};
  return Error{Code::kFailedPrecondition,
               fmt::format("'{}' is not put in the place of {} {}: {}; the old one goes on",
                           report.to_engine, report.model, report.from_version,
                           fmt::join(report.reasons, "; "))};
}

void ModelControl::switch_to(ModelSlot& slot, std::shared_ptr<LiveModel> next, SwapReport& report) {
  const std::weak_ptr<const Model> before = slot.model();
  ModelSlot::Change change = slot.replace(next);
  const SteadyTime switched_at = change.switched_at;
  // With traffic the first answer is one of its; without, this one.
  if (!golden_.empty()) {
    next->run_background(golden_.front().token_ids).ignore("it has answered the golden texts");
  }
  SteadyTime answered_at = clock_.steady_now();
  if (const auto first = slot.first_run_at()) answered_at = std::min(answered_at, *first);
  report.first_answer = answered_at - switched_at;
  // The registry names what answers first; it would keep the old one alive.
  if (&slot == inference_.slots().front()) registry_.activate(next->shared_model());
  slot.drain(std::move(change));
  report.drain = clock_.steady_now() - switched_at;
  report.freed = before.expired();
  inference_.forget();
  metrics_.swap_seconds().observe(std::chrono::duration<double>(report.first_answer).count());
}

SwapReport ModelControl::exchange(ModelSlot& slot, const std::string& engine,
                                  const SwapLimits& limits,
                                  const std::optional<std::string>& rolls_back_to) {
  SwapReport report;
  report.model = slot.name();
  report.to_engine = engine;
  report.limits = limits;
  const auto fail = [&](const Error& error) {
    report.refused = error;
    metrics_.swaps(error.code == Code::kFailedPrecondition ? "refused" : "failed").add();
    log(LogLevel::kWarning, "app", "swap refused",
        {{"model", report.model}, {"engine", shown(engine)}, {"reason", error.message}});
    return report;
  };
  {
    const auto canary = find_canary(slot.name());
    MutexLock lock(mu_);
    if (canary && canary->state == CanaryState::kRunning) {
      report.refused = Error{Code::kAborted,
                             fmt::format("a canary with '{}' runs on model '{}'; promote it or end "
                                         "it first",
                                         canary->request.engine, slot.name())};
      return report;
    }
  }
  std::shared_ptr<LiveModel> was = slot.live();
  report.from_version = was->model().manifest.version;
  report.from_engine = was->model().engine;
  const std::string from_sha256 = was->model().engine_sha256;
  const SteadyTime started = clock_.steady_now();
  auto loaded = load(slot, engine);
  if (!loaded) return fail(loaded.error());
  std::shared_ptr<LiveModel> next = *std::move(loaded);
  report.to_version = next->model().manifest.version;
  const SteadyTime loaded_at = clock_.steady_now();
  report.load = loaded_at - started;
  if (const Status warm = warm_up(*next); !warm) return fail(warm.error());
  const SteadyTime warm_at = clock_.steady_now();
  report.warm_up = warm_at - loaded_at;
  if (!rolls_back_to || *rolls_back_to != next->model().engine_sha256) {
    const Status good = validate(*was, *next, report);
    report.validate = clock_.steady_now() - warm_at;
    if (!good && rolls_back_to) {
      return fail({good.error().code,
                   fmt::format("the file is another than the one that answered before: {}",
                               good.error().message)});
    }
    if (!good) return fail(good.error());
  }
  was.reset();
  switch_to(slot, std::move(next), report);
  remember(slot, report.from_engine, from_sha256);
  metrics_.swaps(rolls_back_to ? "rolled_back" : "switched").add();
  log(LogLevel::kInfo, "app", rolls_back_to ? "rolled back" : "swapped",
      {{"model", report.model},
       {"from", report.from_version},
       {"to", report.to_version},
       {"engine", shown(engine)},
       {"first_answer_ms",
        std::chrono::duration<double, std::milli>(report.first_answer).count()}});
  return report;
}

SwapReport ModelControl::swap(const std::string& model, const std::string& engine,
                              const SwapLimits& limits) {
  const auto refuse = [&](Error error) {
    SwapReport report;
    report.model = model;
    report.to_engine = engine;
    report.limits = limits;
    report.refused = std::move(error);
    return report;
  };
  if (const Status named = check_engine_name(engine); !named) return refuse(named.error());
  const auto slot = find_slot(model);
  if (!slot) return refuse(slot.error());
  const Operation operation(*this, /*wait=*/false);
  if (!operation) return refuse(Operation::refused());
  return exchange(**slot, engine, limits, /*rolls_back_to=*/std::nullopt);
}

SwapReport ModelControl::rollback(const std::string& model) {
  SwapReport refused;
  refused.model = model;
  const auto slot = find_slot(model);
  if (!slot) {
    refused.refused = slot.error();
    return refused;
  }
  const Operation operation(*this, /*wait=*/false);
  if (!operation) {
    refused.refused = Operation::refused();
    return refused;
  }
  Remembered known;
  {
    MutexLock lock(mu_);
    const auto found = remembered_.find((*slot)->name());
    if (found != remembered_.end()) known = found->second;
  }
  if (!known.previous) {
    refused.refused = Error{Code::kFailedPrecondition,
                            fmt::format("model '{}' was never swapped: there is nothing to return "
                                        "to",
                                        (*slot)->name())};
    return refused;
  }
  return exchange(**slot, *known.previous, options_.swap, known.previous_sha256);
}

SlotState ModelControl::state_of(const std::string& model) const {
  MutexLock lock(mu_);
  const auto found = remembered_.find(model);
  if (found == remembered_.end()) return {};
  return {found->second.engine, found->second.previous};
}

void ModelControl::remember(const ModelSlot& slot, const std::string& engine_before,
                            const std::string& sha256_before) {
  const std::shared_ptr<const Model> now = slot.model();
  MutexLock lock(mu_);
  remembered_[slot.name()] = {now->engine, now->engine_sha256, engine_before, sha256_before};
  if (const Status written = write_state(); !written) {
    log(LogLevel::kError, "app", "a restart will not know which engine is active",
        {{"model", slot.name()}, {"reason", written.error().message}});
  }
}

Status ModelControl::write_state() const {
  if (options_.state_file.empty()) return {};
  Json models = Json::object();
  for (const auto& [model, entry] : remembered_) {
    models[model] = {{"engine", entry.engine},
                     {"sha256", entry.sha256},
                     {"previous", entry.previous ? Json(*entry.previous) : Json(nullptr)},
                     {"previous_sha256", entry.previous_sha256}};
  }
  const Json root{{"format", 1}, {"models", std::move(models)}};
  return write_atomically(options_.state_file, root.dump(1) + "\n");
}

void ModelControl::restore() {
  std::ifstream in(options_.state_file);
  if (options_.state_file.empty() || !in) return;
  const Json root = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  const auto unusable = [&](const std::string& model, const std::string& engine,
                            const std::string& why) {
    log(LogLevel::kError, "app", "THE ACTIVE ENGINE CANNOT BE TAKEN UP: the bundled model answers",
        {{"model", model}, {"engine", engine}, {"reason", why}});
  };
  const std::string damaged =
      options_.state_file.string() + ": damaged; remove it, then swap again";
  if (!root.is_object() || !root.contains("models") || !root["models"].is_object()) {
    unusable("", "", damaged);
    return;
  }
  for (ModelSlot* slot : inference_.slots()) {
    const auto entry = root["models"].find(slot->name());
    if (entry == root["models"].end()) continue;
    if (!entry->is_object()) {
      unusable(slot->name(), "", damaged);
      continue;
    }
    const auto text = [&entry](const char* member) -> std::optional<std::string> {
      const auto found = entry->find(member);
      if (found == entry->end() || !found->is_string()) return std::nullopt;
      return found->get<std::string>();
    };
    const auto engine = text("engine");
    const auto sha256 = text("sha256");
    if (!engine || !sha256) {
      unusable(slot->name(), engine.value_or(""), damaged);
      continue;
    }
    const Remembered known{*engine, *sha256, text("previous"),
                           text("previous_sha256").value_or("")};
    {
      MutexLock lock(mu_);
      remembered_[slot->name()] = known;
    }
    if (known.engine.empty()) continue;
    auto loaded = load(*slot, known.engine);
    Status fit;
    if (!loaded) {
      fit = loaded.error();
    } else if ((*loaded)->model().engine_sha256 != known.sha256) {
      fit = Error{Code::kDataLoss, "the file is not the one that was validated: swap to it again"};
    } else {
      fit = warm_up(**loaded);
    }
    if (!fit) {
      unusable(slot->name(), known.engine, fit.error().message);
      continue;
    }
    const std::shared_ptr<LiveModel> next = *std::move(loaded);
    if (slot == inference_.slots().front()) registry_.activate(next->shared_model());
    slot->drain(slot->replace(next));
    log(LogLevel::kInfo, "app", "engine taken up",
        {{"model", slot->name()},
         {"engine", known.engine},
         {"version", next->model().manifest.version}});
  }
}

std::shared_ptr<ModelControl::Canary> ModelControl::find_canary(const std::string& model) const {
  MutexLock lock(mu_);
  const auto found = canaries_.find(model);
  return found == canaries_.end() ? nullptr : found->second;
}

CanaryReport ModelControl::report_of(const Canary& canary) const {
  const CanaryFigures figures = canary.watch->figures();
  MutexLock lock(mu_);
  return {canary.model,   canary.live_version, canary.candidate_version,
          canary.request, canary.state,        canary.reason,
          figures};
}

Result<CanaryReport> ModelControl::start_canary(const std::string& model,
                                                const CanaryRequest& request) {
  TRY(check_engine_name(request.engine));
  TRY_ASSIGN(ModelSlot* const slot, find_slot(model));
  const std::shared_ptr<Canary> earlier = find_canary(slot->name());
  if (earlier) {
    {
      MutexLock lock(mu_);
      if (earlier->state == CanaryState::kRunning) {
        return Error{Code::kAborted, fmt::format("a canary with '{}' runs on model '{}' already; "
                                                 "promote it or end it first",
                                                 earlier->request.engine, slot->name())};
      }
    }
    // Before the operation: its thread may wait for one in decided(). After: it must not be the one
    // that lets go of its canary last.
    earlier->watch->stop();
  }
  const Operation operation(*this, /*wait=*/false);
  if (!operation || find_canary(slot->name()) != earlier) return Operation::refused();
  TRY_ASSIGN(const std::shared_ptr<LiveModel> candidate, load(*slot, request.engine));
  TRY(warm_up(*candidate));
  auto canary = std::make_shared<Canary>();
  canary->model = slot->name();
  canary->live_version = slot->model()->manifest.version;
  canary->candidate_version = candidate->model().manifest.version;
  canary->request = request;
  canary->candidate = candidate;
  CanaryWatch::Options watch;
  watch.limits = request.limits;
  watch.probe_every = request.probe_every;
  const Inference& inference = inference_;
  const bool first = slot == inference_.slots().front();
  // A text that waits means that no instance is free.
  auto busy = [&inference, first] {
    return (first ? inference.queue_depth() : inference.escalation_queue_depth()) > 0;
  };
  canary->watch = std::make_shared<CanaryWatch>(
      watch, slot->live(), candidate, probes_, clock_, metrics_, std::move(busy),
      [this, name = slot->name(),
       canary = std::weak_ptr<Canary>(canary)](const CanaryDecision& decision) {
        if (const auto mine = canary.lock()) decided(name, mine->watch.get(), decision);
      });
  {
    MutexLock lock(mu_);
    canaries_[slot->name()] = canary;
  }
  slot->set_canary(ModelSlot::Canary{candidate, request.percent, request.shadow, canary->watch});
  metrics_.canaries("started").add();
  metrics_.canary("percent", canary->model, canary->candidate_version).set(request.percent);
  log(LogLevel::kInfo, "app", "canary started",
      {{"model", canary->model},
       {"engine", request.engine},
       {"version", canary->candidate_version},
       {"percent", request.percent},
       {"mode", request.shadow ? "shadow" : "split"}});
  canary->watch->start();
  return report_of(*canary);
}

Result<CanaryReport> ModelControl::canary(const std::string& model) const {
  TRY_ASSIGN(const ModelSlot* const slot, find_slot(model));
  const std::shared_ptr<Canary> canary = find_canary(slot->name());
  if (!canary) {
    return Error{Code::kNotFound,
                 fmt::format("model '{}' has had no canary since the start", slot->name())};
  }
  return report_of(*canary);
}

// Within an operation. The slot's canary is over when this returns; its watch may still end.
void ModelControl::finish(ModelSlot& slot, Canary& canary, CanaryState state,
                          const std::string& reason) {
  std::shared_ptr<LiveModel> candidate;
  {
    MutexLock lock(mu_);
    candidate = std::move(canary.candidate);
  }
  if (state == CanaryState::kPromoted) {
    std::shared_ptr<const Model> before = slot.model();
    const std::string engine = before->engine;
    const std::string sha256 = before->engine_sha256;
    before.reset();  // the switch frees it
    SwapReport report;
    switch_to(slot, std::move(candidate), report);
    remember(slot, engine, sha256);
    metrics_.swaps("switched").add();
  } else {
    candidate.reset();
    slot.set_canary(std::nullopt);
  }
  metrics_.canary("percent", canary.model, canary.candidate_version).set(0);
  {
    // Last, and at once: whoever sees the one sees the other, and all that came before.
    MutexLock lock(mu_);
    canary.state = state;
    canary.reason = reason;
    metrics_.canaries(canary_state_name(state)).add();
  }
  log(state == CanaryState::kRolledBack ? LogLevel::kWarning : LogLevel::kInfo, "app",
      "canary over",
      {{"model", canary.model},
       {"engine", canary.request.engine},
       {"state", canary_state_name(state)},
       {"reason", reason}});
}

Result<CanaryReport> ModelControl::promote_canary(const std::string& model) {
  return finish_by_request(model, CanaryState::kPromoted);
}

Result<CanaryReport> ModelControl::end_canary(const std::string& model) {
  return finish_by_request(model, CanaryState::kEnded);
}

Result<CanaryReport> ModelControl::finish_by_request(const std::string& model, CanaryState state) {
  TRY_ASSIGN(ModelSlot* const slot, find_slot(model));
  Operation operation(*this, /*wait=*/false);
  if (!operation) return Operation::refused();
  const std::shared_ptr<Canary> canary = find_canary(slot->name());
  if (!canary || !slot->has_canary()) {
    return Error{Code::kNotFound, fmt::format("no canary runs on model '{}'", slot->name())};
  }
  finish(*slot, *canary, state, "by request");
  operation.end();
  // Its thread may wait for the operation that has just ended.
  canary->watch->stop();
  return report_of(*canary);
}

// On the watch's thread. A canary that was ended meanwhile stays as it is.
void ModelControl::decided(const std::string& model, const CanaryWatch* watch,
                           const CanaryDecision& decision) {
  const Operation operation(*this, /*wait=*/true);
  if (!operation) return;
  const std::shared_ptr<Canary> canary = find_canary(model);
  const auto slot = find_slot(model);
  if (!canary || !slot || canary->watch.get() != watch || !(*slot)->has_canary()) return;
  finish(**slot, *canary,
         decision.verdict == CanaryVerdict::kPromote ? CanaryState::kPromoted
                                                     : CanaryState::kRolledBack,
         decision.reason);
}

}  // namespace tidewatch
