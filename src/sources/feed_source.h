// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "sources/http_fetch.h"
#include "sources/source.h"

namespace tidewatch {

struct FeedOptions {
  std::string name;
  std::vector<std::string> urls;
  std::chrono::seconds interval{300};
  std::string ca_file;
  std::size_t body_bytes_max = 8 << 20;
};

// Polls RSS and Atom feeds, each by its own clock: with ETag and If-Modified-Since, after errors
// with a back-off that grows to a day or to what the server asks for. What was seen of a feed, and
// its validators, go to NAME.feeds.json once its entries are on disk.
class FeedSource final : public Source {
 public:
  static Result<std::unique_ptr<Source>> create(FeedOptions options, const SourceContext& context,
                                                std::unique_ptr<HttpFetch> http);
  ~FeedSource() override;

  void run(const std::stop_token& stop) override;
  const SourceStatus& status() const override;

 private:
  class Impl;
  explicit FeedSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch
