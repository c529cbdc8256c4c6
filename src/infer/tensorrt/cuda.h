// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"

// Opaque handles of the CUDA driver; TensorRT's cudaStream_t is the same type.
struct CUstream_st;
struct CUevent_st;
struct CUgraphExec_st;

namespace tidewatch::tensorrt {

using DeviceAddress = std::uint64_t;
using CudaStream = CUstream_st*;

struct CudaDriver;  // the driver's functions, looked up once

// What the plans of a GPU are bound to.
struct GpuIdentity {
  std::string name;         // "NVIDIA H100 80GB HBM3"
  std::string compute;      // "9.0"
  std::uint64_t bytes = 0;  // of its memory
};

// One GPU, through the driver's library, which is opened at run time: the program runs without it.
// Ownership: buffers, streams, events and graphs hold the device alive. Threads: every member may
// be called concurrently; a thread that uses buffers, streams or graphs of its own must have called
// make_current() before. Errors: kUnavailable (no driver, no GPU: says what was looked for and what
// to do), kResourceExhausted (no memory left: says how much was asked for and is free), kInternal
// with the driver's words.
class Gpu {
 public:
  // Opens GPU number `index`; its primary context is shared with TensorRT.
  static Result<std::shared_ptr<Gpu>> open(int index = 0);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const GpuIdentity& identity() const { return identity_; }
  Status make_current() const;
  // Bytes that are free on the GPU now, whoever uses the rest.
  Result<std::uint64_t> free_bytes() const;
  const CudaDriver& driver() const { return *driver_; }

 private:
  Gpu(const CudaDriver& driver, int device) : driver_(&driver), device_(device) {}
  const CudaDriver* driver_;
  int device_;
  void* context_ = nullptr;
  GpuIdentity identity_;
};

// Memory of the GPU; 256-byte aligned. Empty when default constructed.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  static Result<DeviceBuffer> allocate(std::shared_ptr<Gpu> gpu, std::size_t bytes);
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceAddress address() const { return address_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
  }
  std::shared_ptr<Gpu> gpu_;
  DeviceAddress address_ = 0;
  std::size_t bytes_ = 0;
};

// Page-locked memory of the host, which the GPU copies from and to by itself.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  static Result<PinnedBuffer> allocate(std::shared_ptr<Gpu> gpu, std::size_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void swap(PinnedBuffer& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  std::shared_ptr<Gpu> gpu_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// A recorded sequence of work that is started in one call. Empty when default constructed.
class Graph {
 public:
  Graph() = default;
  Graph(std::shared_ptr<Gpu> gpu, CUgraphExec_st* exec) : gpu_(std::move(gpu)), exec_(exec) {}
  ~Graph();
  Graph(Graph&& other) noexcept { swap(other); }
  Graph& operator=(Graph&& other) noexcept {
    swap(other);
    return *this;
  }
  explicit operator bool() const { return exec_ != nullptr; }
  Status launch(CudaStream stream) const;

 private:
  void swap(Graph& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(exec_, other.exec_);
  }
  std::shared_ptr<Gpu> gpu_;
  CUgraphExec_st* exec_ = nullptr;
};

// A queue of work on the GPU, and the event that tells when it has come so far. wait() gives the
// core away while it waits: a GPU's worker costs no CPU time.
// Threads: one at a time.
class Stream {
 public:
  static Result<Stream> create(std::shared_ptr<Gpu> gpu);
  ~Stream();
  Stream(Stream&& other) noexcept { swap(other); }
  Stream& operator=(Stream&& other) noexcept {
    swap(other);
    return *this;
  }
  CudaStream handle() const { return stream_; }
  Status copy_to_device(DeviceAddress to, const void* from, std::size_t bytes) const;
  Status copy_to_host(void* to, DeviceAddress from, std::size_t bytes) const;
  // Everything queued since begin_capture() becomes a graph instead of being run.
  Status begin_capture() const;
  Result<Graph> end_capture() const;
  Status wait() const;  // until everything queued is done

 private:
  Stream() = default;
  void swap(Stream& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(stream_, other.stream_);
    std::swap(event_, other.event_);
  }
  std::shared_ptr<Gpu> gpu_;
  CudaStream stream_ = nullptr;
  CUevent_st* event_ = nullptr;
};

}  // namespace tidewatch::tensorrt
