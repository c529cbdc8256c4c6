// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <system_error>
#include <utility>

#include "infer/tensorrt/plan_library.h"

namespace tidewatch::tensorrt {
namespace {

constexpr const char* kFolderVariable = "TIDEWATCH_TENSORRT_DIR";

constexpr int kOldest = 100'100;  // 10.1: the first with the calls that are used

struct Release {
  int major;
  const char* nvinfer;
  const char* parser;
  std::unique_ptr<Library> (*make)(void*, void*, std::string);
};
constexpr std::array<Release, 2> kReleases{
    {{11, "libnvinfer.so.11", "libnvonnxparser.so.11", make_library_11},
     {10, "libnvinfer.so.10", "libnvonnxparser.so.10", make_library_10}}};

std::string in_folder(const std::string& folder, const char* name) {
  return folder.empty() ? name : (std::filesystem::path(folder) / name).string();
}

// The builder opens its kernels by bare name: from a folder of its own they must be there already.
void open_builder_resources(const std::string& folder) {
  if (folder.empty()) return;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("libnvinfer_builder_resource")) {
      ::dlopen(entry.path().c_str(), RTLD_LAZY | RTLD_GLOBAL);
    }
  }
}

// 100600 is 10.6.0; up to release 9 the numbers were others, but none of those is opened.
std::string version_text(int number) {
  return fmt::format("{}.{}.{}", number / 10'000, number / 100 % 100, number % 100);
}

}  // namespace

std::string_view number_format_name(NumberFormat format) noexcept {
  switch (format) {
    case NumberFormat::kFp32:
      return "fp32";
    case NumberFormat::kFp16:
      return "fp16";
    case NumberFormat::kInt8:
      return "int8";
    case NumberFormat::kFp8:
      break;
  }
  return "fp8";
}

Result<std::unique_ptr<Library>> open_library_in(const std::string& folder) {
  std::string tried;
  for (const Release& release : kReleases) {
    const std::string path = in_folder(folder, release.nvinfer);
    void* nvinfer = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (nvinfer == nullptr) {
      const char* why = ::dlerror();
      tried += fmt::format("{}{}", tried.empty() ? "" : "; ", why == nullptr ? path : why);
      continue;
    }
    const auto version = reinterpret_cast<int (*)()>(::dlsym(nvinfer, "getInferLibVersion"));
    if (version == nullptr || version() / 10'000 != release.major || version() < kOldest) {
      tried += fmt::format("{}{}: not TensorRT {}, or older than 10.1", tried.empty() ? "" : "; ",
                           path, release.major);
      ::dlclose(nvinfer);
      continue;
    }
    open_builder_resources(folder);
    void* parser = ::dlopen(in_folder(folder, release.parser).c_str(), RTLD_NOW | RTLD_LOCAL);
    return release.make(nvinfer, parser, version_text(version()));  // open as long as we run
  }
  return Error{
      Code::kUnavailable,
      fmt::format("TensorRT was not found. Looked for libnvinfer.so.11 and libnvinfer.so.10 {} "
                  "({}). Install TensorRT 10 or 11 (the packages libnvinfer-dev and "
                  "libnvonnxparsers-dev of NVIDIA's repository, or its tar file) and name the "
                  "folder of the libraries in {}",
                  folder.empty() ? std::string{"where the dynamic linker looks (LD_LIBRARY_PATH, "
                                               "/etc/ld.so.conf)"}
                                 : "in " + folder,
                  tried, kFolderVariable)};
}

Result<Library*> open_library() {
  static const Result<std::unique_ptr<Library>> library = [] {
    const char* folder = ::secure_getenv(kFolderVariable);
    return open_library_in(folder == nullptr ? "" : folder);
  }();
  if (!library) return library.error();
  return library->get();
}

}  // namespace tidewatch::tensorrt
