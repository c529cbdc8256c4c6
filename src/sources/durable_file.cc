// SPDX-License-Identifier: Apache-2.0
#include "sources/durable_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "ingest/utf8.h"
#include "observe/json_text.h"

namespace tidewatch {
namespace {

constexpr std::size_t kWholeBytesMax = 16 << 20;
constexpr std::size_t kRejectBytesMax = 16 << 20;

Error file_error(const std::filesystem::path& file, std::string_view what) {
  return Error{Code::kUnavailable, file.string() + ": " + std::string(what) + ": " +
                                       std::generic_category().message(errno)};
}

Status write_all(const std::filesystem::path& file, int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return file_error(file, "cannot be written");
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return file_error(folder, "cannot be opened");
  const bool synced = ::fsync(fd) == 0;
  const Status status = synced ? Status{} : file_error(folder, "cannot be synced");
  ::close(fd);
  return status;
}

Status make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return {};
  return Error{Code::kUnavailable, folder.string() + ": cannot be made: " + error.message()};
}

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace

Status write_durably(const std::filesystem::path& file, std::string_view text) {
  TRY(make_folder(file.parent_path()));
  std::filesystem::path beside = file;
  beside += ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return file_error(beside, "cannot be opened");
  Status status = write_all(beside, fd, text);
  if (status && ::fsync(fd) != 0) status = file_error(beside, "cannot be synced");
  if (::close(fd) != 0 && status) status = file_error(beside, "cannot be closed");
  TRY(status);
  if (::rename(beside.c_str(), file.c_str()) != 0) return file_error(file, "cannot be replaced");
  return sync_folder(file.parent_path());
}

Result<std::string> read_whole(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::string{};
    return file_error(file, "cannot be opened");
  }
  std::string text;
  char buffer[64 << 10];
  ssize_t size = 0;
  while ((size = ::read(fd, buffer, sizeof buffer)) > 0 && text.size() <= kWholeBytesMax) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  const Error unreadable = file_error(file, "cannot be read");
  ::close(fd);
  if (size < 0) return unreadable;
  if (text.size() > kWholeBytesMax) {
    return Error{Code::kUnavailable, file.string() + ": holds more than 16 MiB"};
  }
  return text;
}

RejectFile::~RejectFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status RejectFile::open() {
  TRY(make_folder(file_.parent_path()));
  fd_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0) return file_error(file_, "cannot be opened");
  struct stat status{};
  bytes_ = ::fstat(fd_, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
  return sync_folder(file_.parent_path());
}

Status RejectFile::append(std::string_view time, std::string_view place, std::string_view reason,
                          std::string_view value) {
  if (fd_ >= 0 && bytes_ > kRejectBytesMax) {
    TRY(sync());
    ::close(fd_);
    fd_ = -1;
    std::filesystem::path old = file_;
    old += ".1";
    if (::rename(file_.c_str(), old.c_str()) != 0) return file_error(file_, "cannot be renamed");
  }
  if (fd_ < 0) TRY(open());
  std::string line = R"({"time":)";
  append_json_string(line, time);
  line += R"(,"place":)";
  append_json_string(line, place);
  line += R"(,"reason":)";
  append_json_string(line, reason);
  const bool text = is_utf8(value);
  line += text ? R"(,"value":)" : R"(,"value_base64":)";
  append_json_string(line, text ? std::string(value) : base64(value));
  line += "}\n";
  TRY(write_all(file_, fd_, line));
  bytes_ += line.size();
  dirty_ = true;
  return {};
}

Status RejectFile::sync() {
  if (!dirty_) return {};
  if (::fdatasync(fd_) != 0) return file_error(file_, "cannot be synced");
  dirty_ = false;
  return {};
}

}  // namespace tidewatch
