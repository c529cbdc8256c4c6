// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/result.h"
#include "ingest/source.h"

namespace tidewatch {

// Opens a file, or standard input for "-". Plain, gzip and zstd are told apart by their first
// bytes, not by the name; several gzip members or zstd frames in a row are one stream. Memory: at
// most about 1 MiB, and the window of a zstd frame (at most 128 MiB).
// kNotFound, kPermissionDenied, kInvalidArgument (a directory): the message names the file.
Result<std::unique_ptr<ByteSource>> open_file_source(const std::string& path);

}  // namespace tidewatch
