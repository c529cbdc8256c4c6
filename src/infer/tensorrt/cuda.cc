// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/cuda.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <string>

struct CUctx_st;
struct CUgraph_st;

namespace tidewatch::tensorrt {

// The part of the driver's interface (cuda.h of CUDA 12 and 13) that is used, by its stable names.
struct CudaDriver {
  void* library = nullptr;
  std::string missing;  // why it cannot be used; empty: it can

  int (*init)(unsigned) = nullptr;
  int (*error_name)(int, const char**) = nullptr;
  int (*error_text)(int, const char**) = nullptr;
  int (*device_count)(int*) = nullptr;
  int (*device_get)(int*, int) = nullptr;
  int (*device_name)(char*, int, int) = nullptr;
  int (*device_attribute)(int*, int, int) = nullptr;
  int (*device_bytes)(std::size_t*, int) = nullptr;
  int (*primary_retain)(CUctx_st**, int) = nullptr;
  int (*primary_release)(int) = nullptr;
  int (*set_current)(CUctx_st*) = nullptr;
  int (*memory_info)(std::size_t*, std::size_t*) = nullptr;
  int (*allocate)(DeviceAddress*, std::size_t) = nullptr;
  int (*release)(DeviceAddress) = nullptr;
  int (*allocate_host)(void**, std::size_t, unsigned) = nullptr;
  int (*release_host)(void*) = nullptr;
  int (*stream_create)(CudaStream*, unsigned) = nullptr;
  int (*stream_destroy)(CudaStream) = nullptr;
  int (*begin_capture)(CudaStream, int) = nullptr;
  int (*end_capture)(CudaStream, CUgraph_st**) = nullptr;
  int (*graph_instantiate)(CUgraphExec_st**, CUgraph_st*, unsigned long long) = nullptr;
  int (*graph_destroy)(CUgraph_st*) = nullptr;
  int (*exec_destroy)(CUgraphExec_st*) = nullptr;
  int (*graph_launch)(CUgraphExec_st*, CudaStream) = nullptr;
  int (*to_device)(DeviceAddress, const void*, std::size_t, CudaStream) = nullptr;
  int (*to_host)(void*, DeviceAddress, std::size_t, CudaStream) = nullptr;
  int (*event_create)(CUevent_st**, unsigned) = nullptr;
  int (*event_destroy)(CUevent_st*) = nullptr;
  int (*event_record)(CUevent_st*, CudaStream) = nullptr;
  int (*event_wait)(CUevent_st*) = nullptr;
};

namespace {

constexpr const char* kDriverLibrary = "libcuda.so.1";
// Values of cuda.h.
constexpr int kComputeMajor = 75;
constexpr int kComputeMinor = 76;
constexpr int kOutOfMemory = 2;
constexpr unsigned kEventBlockingNoTiming = 0x1 | 0x2;
constexpr unsigned kStreamNonBlocking = 1;
constexpr unsigned kHostPortable = 1;
constexpr int kCaptureThreadLocal = 1;

CudaDriver open_driver() {
  CudaDriver driver;
  driver.library = ::dlopen(kDriverLibrary, RTLD_NOW | RTLD_LOCAL);
  if (driver.library == nullptr) {
    driver.missing = fmt::format(
        "no NVIDIA driver: {} was looked for where the dynamic linker looks (LD_LIBRARY_PATH, "
        "/etc/ld.so.conf); install the driver of your GPU, or serve on the CPU with --backend auto",
        kDriverLibrary);
    return driver;
  }
  const auto find = [&](auto& function, const char* name) {
    void* symbol = ::dlsym(driver.library, name);
    if (symbol == nullptr && driver.missing.empty()) {
      driver.missing = fmt::format(
          "the NVIDIA driver ({}) has no {}; install a driver for CUDA 12 "
          "or newer",
          kDriverLibrary, name);
    }
    function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol);
  };
  find(driver.init, "cuInit");
  find(driver.error_name, "cuGetErrorName");
  find(driver.error_text, "cuGetErrorString");
  find(driver.device_count, "cuDeviceGetCount");
  find(driver.device_get, "cuDeviceGet");
  find(driver.device_name, "cuDeviceGetName");
  find(driver.device_attribute, "cuDeviceGetAttribute");
  find(driver.device_bytes, "cuDeviceTotalMem_v2");
  find(driver.primary_retain, "cuDevicePrimaryCtxRetain");
  find(driver.primary_release, "cuDevicePrimaryCtxRelease_v2");
  find(driver.set_current, "cuCtxSetCurrent");
  find(driver.memory_info, "cuMemGetInfo_v2");
  find(driver.allocate, "cuMemAlloc_v2");
  find(driver.release, "cuMemFree_v2");
  find(driver.allocate_host, "cuMemHostAlloc");
  find(driver.release_host, "cuMemFreeHost");
  find(driver.stream_create, "cuStreamCreate");
  find(driver.stream_destroy, "cuStreamDestroy_v2");
  find(driver.begin_capture, "cuStreamBeginCapture_v2");
  find(driver.end_capture, "cuStreamEndCapture");
  find(driver.graph_instantiate, "cuGraphInstantiateWithFlags");
  find(driver.graph_destroy, "cuGraphDestroy");
  find(driver.exec_destroy, "cuGraphExecDestroy");
  find(driver.graph_launch, "cuGraphLaunch");
  find(driver.to_device, "cuMemcpyHtoDAsync_v2");
  find(driver.to_host, "cuMemcpyDtoHAsync_v2");
  find(driver.event_create, "cuEventCreate");
  find(driver.event_destroy, "cuEventDestroy_v2");
  find(driver.event_record, "cuEventRecord");
  find(driver.event_wait, "cuEventSynchronize");
  if (!driver.missing.empty()) return driver;
  int count = 0;
  const int started = driver.init(0);
  if (started != 0 || driver.device_count(&count) != 0 || count == 0) {
    const char* words = "no device";
    if (started != 0) driver.error_name(started, &words);
    driver.missing = fmt::format(
        "the NVIDIA driver is here ({}) but gives no GPU ({}); check that `nvidia-smi` lists one "
        "and that CUDA_VISIBLE_DEVICES does not hide it",
        kDriverLibrary, words);
  }
  return driver;
}

const CudaDriver& the_driver() {
  static const CudaDriver driver = open_driver();
  return driver;
}

Status check(const CudaDriver& driver, int code, std::string_view what) {
  if (code == 0) return {};
  const char* name = nullptr;
  const char* text = nullptr;
  driver.error_name(code, &name);
  driver.error_text(code, &text);
  return Error{Code::kInternal,
               fmt::format("CUDA: {}: {} ({})", what, text == nullptr ? "unknown error" : text,
                           name == nullptr ? "?" : name)};
}

}  // namespace

Result<std::shared_ptr<Gpu>> Gpu::open(int index) {
  const CudaDriver& driver = the_driver();
  if (!driver.missing.empty()) return Error{Code::kUnavailable, driver.missing};
  int count = 0;
  driver.device_count(&count);
  if (index < 0 || index >= count) {
    return Error{Code::kInvalidArgument,
                 fmt::format("GPU {}: this machine has {}, numbered from 0", index, count)};
  }
  int device = 0;
  TRY(check(driver, driver.device_get(&device, index), "cuDeviceGet"));
  std::shared_ptr<Gpu> gpu(new Gpu(driver, device));
  CUctx_st* context = nullptr;
  TRY(check(driver, driver.primary_retain(&context, device), "cuDevicePrimaryCtxRetain"));
  gpu->context_ = context;
  TRY(gpu->make_current());
  std::array<char, 256> name{};
  int major = 0;
  int minor = 0;
  std::size_t bytes = 0;
  TRY(check(driver, driver.device_name(name.data(), name.size() - 1, device), "cuDeviceGetName"));
  TRY(check(driver, driver.device_attribute(&major, kComputeMajor, device), "compute capability"));
  TRY(check(driver, driver.device_attribute(&minor, kComputeMinor, device), "compute capability"));
  TRY(check(driver, driver.device_bytes(&bytes, device), "cuDeviceTotalMem"));
  gpu->identity_ = {name.data(), fmt::format("{}.{}", major, minor), bytes};
  return gpu;
}

Gpu::~Gpu() {
  if (context_ != nullptr) driver_->primary_release(device_);
}

Status Gpu::make_current() const {
  return check(*driver_, driver_->set_current(static_cast<CUctx_st*>(context_)), "cuCtxSetCurrent");
}

Result<std::uint64_t> Gpu::free_bytes() const {
  TRY(make_current());
  std::size_t free = 0;
  std::size_t total = 0;
  TRY(check(*driver_, driver_->memory_info(&free, &total), "cuMemGetInfo"));
  return std::uint64_t{free};
}

Result<DeviceBuffer> DeviceBuffer::allocate(std::shared_ptr<Gpu> gpu, std::size_t bytes) {
  DeviceBuffer buffer;
  if (bytes == 0) return buffer;
  TRY(gpu->make_current());
  const int code = gpu->driver().allocate(&buffer.address_, bytes);
  if (code == kOutOfMemory) {
    const auto free = gpu->free_bytes();
    return Error{Code::kResourceExhausted,
                 fmt::format("{} has no {} MB left ({} MB are free); unload a model, or build the "
                             "engine for smaller batches",
                             gpu->identity().name, bytes >> 20, free ? *free >> 20 : 0)};
  }
  TRY(check(gpu->driver(), code, "cuMemAlloc"));
  buffer.gpu_ = std::move(gpu);
  buffer.bytes_ = bytes;
  return buffer;
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ == 0) return;
  gpu_->make_current().ignore("a context that is gone has freed the memory");
  gpu_->driver().release(address_);
}

Result<PinnedBuffer> PinnedBuffer::allocate(std::shared_ptr<Gpu> gpu, std::size_t bytes) {
  PinnedBuffer buffer;
  TRY(gpu->make_current());
  void* data = nullptr;
  const int code = gpu->driver().allocate_host(&data, bytes, kHostPortable);
  if (code == kOutOfMemory) {
    return Error{
        Code::kResourceExhausted,
        fmt::format("the machine has no {} MB left to pin for copies to the GPU", bytes >> 20)};
  }
  TRY(check(gpu->driver(), code, "cuMemHostAlloc"));
  buffer.gpu_ = std::move(gpu);
  buffer.data_ = static_cast<std::byte*>(data);
  buffer.bytes_ = bytes;
  return buffer;
}

PinnedBuffer::~PinnedBuffer() {
  if (data_ == nullptr) return;
  gpu_->make_current().ignore("a context that is gone has freed the memory");
  gpu_->driver().release_host(data_);
}

Graph::~Graph() {
  if (exec_ != nullptr) gpu_->driver().exec_destroy(exec_);
}

Status Graph::launch(CudaStream stream) const {
  return check(gpu_->driver(), gpu_->driver().graph_launch(exec_, stream), "cuGraphLaunch");
}

Result<Stream> Stream::create(std::shared_ptr<Gpu> gpu) {
  TRY(gpu->make_current());
  const CudaDriver& driver = gpu->driver();
  Stream stream;
  TRY(check(driver, driver.stream_create(&stream.stream_, kStreamNonBlocking), "cuStreamCreate"));
  stream.gpu_ = std::move(gpu);
  TRY(check(driver, driver.event_create(&stream.event_, kEventBlockingNoTiming), "cuEventCreate"));
  return stream;
}

Stream::~Stream() {
  if (gpu_ == nullptr) return;
  if (event_ != nullptr) gpu_->driver().event_destroy(event_);
  if (stream_ != nullptr) gpu_->driver().stream_destroy(stream_);
}

Status Stream::copy_to_device(DeviceAddress to, const void* from, std::size_t bytes) const {
  return check(gpu_->driver(), gpu_->driver().to_device(to, from, bytes, stream_),
               "copy to the GPU");
}

Status Stream::copy_to_host(void* to, DeviceAddress from, std::size_t bytes) const {
  return check(gpu_->driver(), gpu_->driver().to_host(to, from, bytes, stream_),
               "copy from the GPU");
}

Status Stream::begin_capture() const {
  return check(gpu_->driver(), gpu_->driver().begin_capture(stream_, kCaptureThreadLocal),
               "cuStreamBeginCapture");
}

Result<Graph> Stream::end_capture() const {
  const CudaDriver& driver = gpu_->driver();
  CUgraph_st* graph = nullptr;
  TRY(check(driver, driver.end_capture(stream_, &graph), "cuStreamEndCapture"));
  CUgraphExec_st* exec = nullptr;
  const int code = driver.graph_instantiate(&exec, graph, 0);
  driver.graph_destroy(graph);
  TRY(check(driver, code, "cuGraphInstantiate"));
  return Graph(gpu_, exec);
}

Status Stream::wait() const {
  const CudaDriver& driver = gpu_->driver();
  TRY(check(driver, driver.event_record(event_, stream_), "cuEventRecord"));
  return check(driver, driver.event_wait(event_), "the GPU's work");
}

}  // namespace tidewatch::tensorrt
