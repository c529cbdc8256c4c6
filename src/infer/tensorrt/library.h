// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/tensorrt/cuda.h"
#include "infer/tensorrt/encoder_weights.h"

// TensorRT behind an interface of our own, so that one program holds a build for 10.x and one for
// 11.x (plan_library.cc is compiled once for each) and tests hold neither.
namespace tidewatch::tensorrt {

// In what the layers of a plan compute. kInt8 and kFp8: the matrix products that the recipe names,
// by explicit Q/DQ; everything else in FP16.
enum class NumberFormat : std::uint8_t { kFp32, kFp16, kInt8, kFp8 };
std::string_view number_format_name(NumberFormat format) noexcept;  // "fp32", "fp16", …

// Sizes that an input may have in one optimisation profile.
struct InputRange {
  std::string input;
  std::vector<std::int64_t> least;
  std::vector<std::int64_t> usual;  // what the kernels are chosen for
  std::vector<std::int64_t> most;
};
using ProfileRange = std::vector<InputRange>;

struct TensorInfo {
  std::string name;
  bool input = false;
  std::vector<std::int64_t> dims;  // -1: dynamic
};

// One plan with one set of shapes, over memory that its caller lends. Threads: one at a time.
class Execution {
 public:
  virtual ~Execution() = default;
  virtual Status set_shape(const std::string& input, std::span<const std::int64_t> dims) = 0;
  virtual Status set_address(const std::string& tensor, DeviceAddress address) = 0;
  // What the shapes need for activations; after every set_shape. Lent until the next.
  virtual Result<std::size_t> scratch_bytes() = 0;
  virtual Status lend_scratch(DeviceAddress address, std::size_t bytes) = 0;
  // Queues one run. Capturable as a graph after it has run once.
  virtual Status enqueue(CudaStream stream) = 0;
};

// A loaded plan; its weights are on the GPU once, whatever the number of executions. Executions
// must be gone before it. Threads: concurrent calls are fine.
class Plan {
 public:
  virtual ~Plan() = default;
  virtual std::vector<TensorInfo> tensors() const = 0;
  virtual std::size_t profiles() const = 0;
  virtual Result<ProfileRange> profile(std::size_t index) const = 0;
  virtual Result<std::unique_ptr<Execution>> execution(std::size_t profile, CudaStream stream) = 0;
  // What became of the layers: TensorRT's own description, JSON.
  virtual std::string layer_report() const = 0;
};

struct BuildOptions {
  NumberFormat format = NumberFormat::kFp16;
  std::vector<ProfileRange> profiles;
  std::size_t workspace_bytes = std::size_t{4} << 30;
  int level = 3;              // TensorRT's builder optimisation level, 0 to 5
  std::string timing_cache;   // of an earlier build; may be empty
  bool half_by_flag = false;  // an ONNX graph: let TensorRT choose FP16 (10.x alone)
  // Told of each step: what is done, 0 to 1 of it. False stops the build.
  std::function<bool(std::string_view phase, double share)> progress;
};

struct BuiltPlan {
  std::string bytes;
  std::string timing_cache;
};

// An opened libnvinfer. Threads: concurrent calls are fine; load and build block, the latter for
// minutes. Errors: kInvalidArgument and kInternal with the library's own words.
class Library {
 public:
  virtual ~Library() = default;
  virtual const std::string& version() const = 0;  // "10.6.0"
  virtual Result<std::unique_ptr<Plan>> load(std::span<const std::byte> bytes) = 0;
  // An encoder over packed rows (packed_encoder.h says which inputs).
  virtual Result<BuiltPlan> build_encoder(const EncoderWeights& weights,
                                          const BuildOptions& options) = 0;
  // Any graph, by TensorRT's own ONNX parser.
  virtual Result<BuiltPlan> build_onnx(const std::filesystem::path& onnx,
                                       const BuildOptions& options) = 0;
};

// Opens TensorRT 11 or, failing that, 10: in the folder that the environment variable
// TIDEWATCH_TENSORRT_DIR names, else where the dynamic linker looks. Once a process.
// kUnavailable: what was looked for, where, and how to get it.
Result<Library*> open_library();

// The same from a folder ("" : where the linker looks). For tests.
Result<std::unique_ptr<Library>> open_library_in(const std::string& folder);

}  // namespace tidewatch::tensorrt
