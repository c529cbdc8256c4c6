// SPDX-License-Identifier: Apache-2.0
#include "ingest/file_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "ingest/decompressor.h"

namespace tidewatch {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kMagicBytes = 4;
constexpr int kWindowLogMax = 27;

Code code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EACCES:
    case EPERM:
      return Code::kPermissionDenied;
    default:
      return Code::kUnavailable;
  }
}

Error system_error(const std::string& name, const char* what, int error) {
  return Error{code_of(error), name + ": " + what + ": " + std::generic_category().message(error)};
}

class FileSource final : public ByteSource {
 public:
  FileSource(std::string name, int fd, bool owns_fd)
      : name_(std::move(name)), fd_(fd), owns_fd_(owns_fd), buffer_(kReadBytes) {}
  ~FileSource() override {
    if (owns_fd_) ::close(fd_);
  }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  std::string_view name() const override { return name_; }

  Result<std::string_view> read() override {
    if (failed_) return *failed_;
    auto piece = next_piece();
    if (!piece) failed_ = piece.error();
    return piece;
  }

 private:
  Result<std::string_view> next_piece() {
    if (decompressor_ == nullptr) TRY(start());
    for (;;) {
      Result<std::string_view> piece = decompressor_->next();
      if (!piece) return named(piece.error());
      if (!piece->empty() || ended_) return piece;
      TRY_ASSIGN(const std::size_t size, fill(0));
      if (size == 0) {
        ended_ = true;
        if (const Status whole = decompressor_->finish(); !whole) return named(whole.error());
        return std::string_view{};
      }
      decompressor_->feed({buffer_.data(), size});
    }
  }

  // Reads until the first bytes tell the format.
  Status start() {
    std::size_t size = 0;
    while (size < kMagicBytes) {
      TRY_ASSIGN(const std::size_t more, fill(size));
      if (more == 0) break;
      size += more;
    }
    const std::string_view bytes(buffer_.data(), size);
    decompressor_ = Decompressor::create(detect_encoding(bytes), kWindowLogMax);
    decompressor_->feed(bytes);
    return {};
  }

  Result<std::size_t> fill(std::size_t from) {
    for (;;) {
      const ssize_t size = ::read(fd_, buffer_.data() + from, buffer_.size() - from);
      if (size >= 0) return static_cast<std::size_t>(size);
      if (errno != EINTR) {
        Error error = system_error(name_, "cannot be read", errno);
        error.code = Code::kUnavailable;
        return error;
      }
    }
  }

  Error named(const Error& error) const { return {error.code, name_ + ": " + error.message}; }

  const std::string name_;
  const int fd_;
  const bool owns_fd_;
  std::vector<char> buffer_;
  std::unique_ptr<Decompressor> decompressor_;
  bool ended_ = false;
  std::optional<Error> failed_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_file_source(const std::string& path) {
  if (path == "-") {
    return std::unique_ptr<ByteSource>(
        std::make_unique<FileSource>("standard input", STDIN_FILENO, false));
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error(path, "cannot be opened", errno);
  struct stat status{};
  if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    ::close(fd);
    return Error{Code::kInvalidArgument, path + ": is a folder; name the files in it"};
  }
  return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(path, fd, true));
}

}  // namespace tidewatch
