// SPDX-License-Identifier: Apache-2.0
#include "ingest/file_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "ingest/decompressor.h"

namespace tidewatch {
namespace {

constexpr std::size_t kReadBytes = 256U << 10;
constexpr int kFileWindowLogMax = 27;  // zstd --long

class FileSource final : public ByteSource {
 public:
  FileSource(int descriptor, std::string name, bool owned)
      : descriptor_(descriptor), name_(std::move(name)), owned_(owned), buffer_(kReadBytes) {}
  ~FileSource() override {
    if (owned_) ::close(descriptor_);
  }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  std::string_view name() const override { return name_; }

  Result<std::string_view> read() override {
    while (true) {
      if (decompressor_) {
        auto piece = decompressor_->next();
        if (!piece) return named(piece.error());
        if (!piece->empty()) return *piece;
        if (ended_) return std::string_view{};
      }
      TRY_ASSIGN(const std::size_t count, fill(decompressor_ ? 1 : 4));
      if (!decompressor_) {
        decompressor_ = Decompressor::create(detect_encoding({buffer_.data(), count}),
                                             kFileWindowLogMax);
      }
      if (count == 0) {
        ended_ = true;
        if (Status status = decompressor_->finish(); !status) return named(status.error());
        return std::string_view{};
      }
      decompressor_->feed({buffer_.data(), count});
    }
  }

 private:
  Error named(const Error& error) const {
    return {error.code, fmt::format("{}: {}", name_, error.message)};
  }

  // Reads until there are `count_min` bytes or the end.
  Result<std::size_t> fill(std::size_t count_min) {
    std::size_t count = 0;
    while (count < count_min) {
      const ssize_t got = ::read(descriptor_, buffer_.data() + count, buffer_.size() - count);
      if (got < 0) {
        if (errno == EINTR) continue;
        return Error{Code::kUnavailable,
                     fmt::format("{}: reading failed: {}", name_, std::strerror(errno))};
      }
      if (got == 0) break;
      count += static_cast<std::size_t>(got);
    }
    return count;
  }

  const int descriptor_;
  const std::string name_;
  const bool owned_;
  std::vector<char> buffer_;
  std::unique_ptr<Decompressor> decompressor_;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_file_source(const std::string& path) {
  if (path == "-") {
    return std::unique_ptr<ByteSource>(
        std::make_unique<FileSource>(STDIN_FILENO, "standard input", /*owned=*/false));
  }
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const Code code = errno == EACCES ? Code::kPermissionDenied : Code::kNotFound;
    return Error{code, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  struct stat info {};
  if (::fstat(descriptor, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(descriptor);
    return Error{Code::kInvalidArgument, fmt::format("{}: is a folder; name a file in it", path)};
  }
  return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(descriptor, path, /*owned=*/true));
}

}  // namespace tidewatch
