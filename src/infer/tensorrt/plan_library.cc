// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/plan_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/mutex.h"
#include "infer/tensorrt/plan_network.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tidewatch::tensorrt {
namespace TIDEWATCH_TENSORRT_RELEASE {
namespace {

using nvinfer1::Dims;

// Keeps the last errors that TensorRT told of, for our messages.
class Log final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* text) noexcept override {
    if (severity > Severity::kERROR) return;
    try {
      const MutexLock lock(mu_);
      errors_.push_back(text);
      if (errors_.size() > kLinesMax) errors_.erase(errors_.begin());
    } catch (const std::exception&) {
      return;  // no memory for a message
    }
  }
  Error error(Code code, std::string_view what) {
    const MutexLock lock(mu_);
    std::string text;
    for (const std::string& line : errors_) text += (text.empty() ? "" : "; ") + line;
    errors_.clear();
    if (is_out_of_memory(text)) {
      return {Code::kResourceExhausted,
              fmt::format("TensorRT {}: {}. The GPU's memory is full: unload a model, or build the "
                          "engine for smaller runs (--tokens) or with less --workspace-mb",
                          what, text)};
    }
    return {code, fmt::format("TensorRT {}: {}", what, text.empty() ? "no reason given" : text)};
  }

 private:
  static bool is_out_of_memory(std::string_view text) {
    return text.find("out of memory") != std::string_view::npos ||
           text.find("OutOfMemory") != std::string_view::npos;
  }
  static constexpr std::size_t kLinesMax = 4;
  Mutex mu_;
  std::vector<std::string> errors_ GUARDED_BY(mu_);
};

Result<Dims> to_dims(std::span<const std::int64_t> sizes) {
  Dims dims{};
  if (sizes.size() > Dims::MAX_DIMS) {
    return Error{Code::kInvalidArgument, fmt::format("{} dimensions", sizes.size())};
  }
  dims.nbDims = static_cast<std::int32_t>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), dims.d);
  return dims;
}

std::vector<std::int64_t> to_sizes(const Dims& dims) {
  return {dims.d, dims.d + std::max(dims.nbDims, 0)};
}

class RuntimeExecution final : public Execution {
 public:
  RuntimeExecution(std::unique_ptr<nvinfer1::IExecutionContext> context, Log& log)
      : context_(std::move(context)), log_(log) {}

  Status set_shape(const std::string& input, std::span<const std::int64_t> sizes) override {
    TRY_ASSIGN(const Dims dims, to_dims(sizes));
    if (!context_->setInputShape(input.c_str(), dims)) {
      return log_.error(Code::kInvalidArgument, fmt::format("refuses the shape of '{}'", input));
    }
    return {};
  }
  Status set_address(const std::string& tensor, DeviceAddress address) override {
    if (!context_->setTensorAddress(tensor.c_str(), reinterpret_cast<void*>(address))) {
      return log_.error(Code::kInvalidArgument, fmt::format("refuses an address for '{}'", tensor));
    }
    return {};
  }
  Result<std::size_t> scratch_bytes() override {
    return context_->updateDeviceMemorySizeForShapes();
  }
  Status lend_scratch(DeviceAddress address, std::size_t bytes) override {
    context_->setDeviceMemoryV2(reinterpret_cast<void*>(address), static_cast<std::int64_t>(bytes));
    return {};
  }
  Status enqueue(CudaStream stream) override {
    if (!context_->enqueueV3(stream)) return log_.error(Code::kInternal, "cannot run");
    return {};
  }

 private:
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  Log& log_;
};

class RuntimePlan final : public Plan {
 public:
  RuntimePlan(std::unique_ptr<nvinfer1::ICudaEngine> engine, Log& log)
      : engine_(std::move(engine)), log_(log) {}

  std::vector<TensorInfo> tensors() const override {
    std::vector<TensorInfo> result;
    for (std::int32_t i = 0; i < engine_->getNbIOTensors(); ++i) {
      const char* name = engine_->getIOTensorName(i);
      result.push_back({name, engine_->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT,
                        to_sizes(engine_->getTensorShape(name))});
    }
    return result;
  }
  std::size_t profiles() const override {
    return static_cast<std::size_t>(std::max(0, engine_->getNbOptimizationProfiles()));
  }
  Result<ProfileRange> profile(std::size_t index) const override {
    if (index >= profiles()) {
      return Error{Code::kInvalidArgument, fmt::format("profile {} of {}", index, profiles())};
    }
    const auto number = static_cast<std::int32_t>(index);
    ProfileRange range;
    for (const TensorInfo& tensor : tensors()) {
      if (!tensor.input) continue;
      const auto sizes = [&](nvinfer1::OptProfileSelector which) {
        return to_sizes(engine_->getProfileShape(tensor.name.c_str(), number, which));
      };
      range.push_back({tensor.name, sizes(nvinfer1::OptProfileSelector::kMIN),
                       sizes(nvinfer1::OptProfileSelector::kOPT),
                       sizes(nvinfer1::OptProfileSelector::kMAX)});
    }
    return range;
  }
  Result<std::unique_ptr<Execution>> execution(std::size_t profile, CudaStream stream) override {
    std::unique_ptr<nvinfer1::IExecutionContext> context(engine_->createExecutionContext(
        nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
    if (context == nullptr) return log_.error(Code::kInternal, "cannot make an execution context");
    if (!context->setOptimizationProfileAsync(static_cast<std::int32_t>(profile), stream)) {
      return log_.error(Code::kInternal, fmt::format("refuses profile {}", profile));
    }
    return std::unique_ptr<Execution>(std::make_unique<RuntimeExecution>(std::move(context), log_));
  }
  std::string layer_report() const override {
    const std::unique_ptr<nvinfer1::IEngineInspector> inspector(engine_->createEngineInspector());
    if (inspector == nullptr) return "{}";
    const char* text = inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON);
    return text == nullptr ? "{}" : text;
  }

 private:
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  Log& log_;
};

// Tells our caller how far the build is: the phases nest, and the outermost counts.
class Progress final : public nvinfer1::IProgressMonitor {
 public:
  explicit Progress(const std::function<bool(std::string_view, double)>& tell) : tell_(tell) {}

  void phaseStart(const char* name, const char*, std::int32_t steps) noexcept override {
    try {
      const MutexLock lock(mu_);
      phases_.push_back({name, std::max(steps, 1)});
      go_on_ = tell_(name, 0.0) && go_on_;
    } catch (const std::exception&) {
      return;
    }
  }
  bool stepComplete(const char* name, std::int32_t step) noexcept override {
    try {
      const MutexLock lock(mu_);
      const auto it = std::find_if(phases_.begin(), phases_.end(),
                                   [&](const Phase& phase) { return phase.name == name; });
      if (it == phases_.end()) return go_on_;
      go_on_ = tell_(name, static_cast<double>(step + 1) / it->steps) && go_on_;
      return go_on_;
    } catch (const std::exception&) {
      return true;
    }
  }
  void phaseFinish(const char* name) noexcept override {
    const MutexLock lock(mu_);
    std::erase_if(phases_, [&](const Phase& phase) { return phase.name == name; });
  }

 private:
  struct Phase {
    std::string name;
    std::int32_t steps;
  };
  const std::function<bool(std::string_view, double)>& tell_;
  Mutex mu_;
  std::vector<Phase> phases_ GUARDED_BY(mu_);
  bool go_on_ GUARDED_BY(mu_) = true;
};

class RuntimeLibrary final : public Library {
 public:
  RuntimeLibrary(void* nvinfer, void* parser, std::string version)
      : nvinfer_(nvinfer), parser_(parser), version_(std::move(version)) {}

  const std::string& version() const override { return version_; }

  Result<std::unique_ptr<Plan>> load(std::span<const std::byte> bytes) override {
    const MutexLock lock(mu_);
    if (runtime_ == nullptr) {
      using Create = void* (*)(void*, std::int32_t);
      const auto create =
          reinterpret_cast<Create>(::dlsym(nvinfer_, "createInferRuntime_INTERNAL"));
      if (create != nullptr) {
        runtime_.reset(static_cast<nvinfer1::IRuntime*>(create(&log_, NV_TENSORRT_VERSION)));
      }
      if (runtime_ == nullptr) return log_.error(Code::kInternal, "gives no runtime");
    }
    std::unique_ptr<nvinfer1::ICudaEngine> engine(
        runtime_->deserializeCudaEngine(bytes.data(), bytes.size()));
    if (engine == nullptr) return log_.error(Code::kInvalidArgument, "cannot load the plan");
    return std::unique_ptr<Plan>(std::make_unique<RuntimePlan>(std::move(engine), log_));
  }

  Result<BuiltPlan> build_encoder(const EncoderWeights& weights,
                                  const BuildOptions& options) override {
    HeldWeights held;
    return build(options, /*typed=*/true, [&](nvinfer1::INetworkDefinition& network) -> Status {
      const Status added = add_encoder(network, weights, options.format, held);
      return added ? added : Status(log_.error(Code::kInternal, "refuses a layer of the encoder"));
    });
  }

  Result<BuiltPlan> build_onnx(const std::filesystem::path& onnx,
                               const BuildOptions& options) override {
    using Create = void* (*)(void*, void*, std::int32_t);
    const auto create =
        parser_ == nullptr
            ? nullptr
            : reinterpret_cast<Create>(::dlsym(parser_, "createNvOnnxParser_INTERNAL"));
    if (create == nullptr) {
      return Error{Code::kUnavailable,
                   fmt::format("TensorRT {} is here without its ONNX parser (libnvonnxparser.so); "
                               "install it beside libnvinfer",
                               version_)};
    }
    std::unique_ptr<nvonnxparser::IParser> parser;  // owns weights until the plan is built
    return build(
        options, !options.half_by_flag, [&](nvinfer1::INetworkDefinition& network) -> Status {
          parser.reset(
              static_cast<nvonnxparser::IParser*>(create(&network, &log_, NV_ONNX_PARSER_VERSION)));
          if (parser == nullptr) return log_.error(Code::kInternal, "gives no ONNX parser");
          if (!parser->parseFromFile(onnx.c_str(), 1)) {
            return log_.error(Code::kInvalidArgument, fmt::format("cannot read {}", onnx.string()));
          }
          return {};
        });
  }

 private:
  template <typename Fill>
  Result<BuiltPlan> build(const BuildOptions& options, bool typed, const Fill& fill) {
    const MutexLock lock(mu_);
    using Create = void* (*)(void*, std::int32_t);
    const auto create = reinterpret_cast<Create>(::dlsym(nvinfer_, "createInferBuilder_INTERNAL"));
    if (create == nullptr) return log_.error(Code::kInternal, "gives no builder");
    const std::unique_ptr<nvinfer1::IBuilder> builder(
        static_cast<nvinfer1::IBuilder*>(create(&log_, NV_TENSORRT_VERSION)));
    if (builder == nullptr) return log_.error(Code::kInternal, "gives no builder");
    const std::uint32_t flags = typed
                                    ? 1U << static_cast<std::uint32_t>(
                                          nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED)
                                    : 0U;
    const std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(flags));
    const std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    if (network == nullptr || config == nullptr) {
      return log_.error(Code::kInternal, "gives no network");
    }
    if (!typed) TRY(allow_half(*config));
    TRY(fill(*network));
    for (const ProfileRange& range : options.profiles) {
      TRY(add_profile(*builder, *config, range));
    }
    config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, options.workspace_bytes);
    config->setBuilderOptimizationLevel(options.level);
    config->setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
    const std::unique_ptr<nvinfer1::ITimingCache> cache(
        config->createTimingCache(options.timing_cache.data(), options.timing_cache.size()));
    if (cache != nullptr) config->setTimingCache(*cache, false);
    Progress progress(options.progress);
    if (options.progress) config->setProgressMonitor(&progress);
    const std::unique_ptr<nvinfer1::IHostMemory> plan(
        builder->buildSerializedNetwork(*network, *config));
    if (plan == nullptr) return log_.error(Code::kInternal, "cannot build the plan");
    BuiltPlan built;
    built.bytes.assign(static_cast<const char*>(plan->data()), plan->size());
    if (const nvinfer1::ITimingCache* timed = config->getTimingCache(); timed != nullptr) {
      const std::unique_ptr<nvinfer1::IHostMemory> bytes(timed->serialize());
      if (bytes != nullptr) {
        built.timing_cache.assign(static_cast<const char*>(bytes->data()), bytes->size());
      }
    }
    return built;
  }

  static Status allow_half([[maybe_unused]] nvinfer1::IBuilderConfig& config) {
#if TIDEWATCH_TENSORRT_MAJOR == 10
    config.setFlag(nvinfer1::BuilderFlag::kFP16);
    return {};
#else
    return Error{Code::kUnimplemented,
                 "TensorRT 11 types networks by their weights alone; export the model in FP16"};
#endif
  }

  Status add_profile(nvinfer1::IBuilder& builder, nvinfer1::IBuilderConfig& config,
                     const ProfileRange& range) {
    nvinfer1::IOptimizationProfile* profile = builder.createOptimizationProfile();
    if (profile == nullptr) return log_.error(Code::kInternal, "gives no profile");
    for (const InputRange& input : range) {
      using Which = nvinfer1::OptProfileSelector;
      for (const auto& [which, sizes] : {std::pair{Which::kMIN, &input.least},
                                         {Which::kOPT, &input.usual},
                                         {Which::kMAX, &input.most}}) {
        TRY_ASSIGN(const Dims dims, to_dims(*sizes));
        if (!profile->setDimensions(input.input.c_str(), which, dims)) {
          return log_.error(Code::kInvalidArgument,
                            fmt::format("refuses the range of '{}'", input.input));
        }
      }
    }
    if (config.addOptimizationProfile(profile) < 0) {
      return log_.error(Code::kInvalidArgument, "refuses a profile");
    }
    return {};
  }

  void* const nvinfer_;
  void* const parser_;
  const std::string version_;
  Log log_;
  Mutex mu_;  // one build or load at a time
  std::unique_ptr<nvinfer1::IRuntime> runtime_ GUARDED_BY(mu_);
};

}  // namespace
}  // namespace TIDEWATCH_TENSORRT_RELEASE

#if TIDEWATCH_TENSORRT_MAJOR == 10
std::unique_ptr<Library> make_library_10(void* nvinfer, void* parser, std::string version) {
#else
std::unique_ptr<Library> make_library_11(void* nvinfer, void* parser, std::string version) {
#endif
  return std::make_unique<TIDEWATCH_TENSORRT_RELEASE::RuntimeLibrary>(nvinfer, parser,
                                                                      std::move(version));
}

}  // namespace tidewatch::tensorrt
