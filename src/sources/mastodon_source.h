// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "sources/http_fetch.h"
#include "sources/source.h"

namespace tidewatch {

struct MastodonOptions {
  std::string name;
  std::string url;                 // of the instance: https://mastodon.social
  std::string stream = "public";   // public, public/local, public/remote, hashtag, list
  std::string tag;                 // of hashtag
  std::string list;                // of list: its id
  std::string token;               // of an application with read access; empty: none
  std::vector<std::string> langs;  // "zh" takes "zh-CN" too; empty: all
  std::string ca_file;
  // How far before the newest status that was stored a catch-up begins: what other instances send
  // late has older ids.
  std::chrono::seconds overlap{300};
};

// What a status is to us.
struct MastodonStatus {
  std::string id;  // the instance's; grows with time
  Post post;
  bool wanted = true;  // in one of the languages
};

// kInvalidArgument: not a status; the message says why. A boost is a bare repost of what it boosts.
Result<MastodonStatus> parse_mastodon_status(std::string_view json,
                                             const std::vector<std::string>& langs);

// Whether an instance's id comes before another: shorter ones first, then by their characters.
bool id_before(std::string_view a, std::string_view b);
// An id from `by` earlier, where ids are Mastodon's (milliseconds << 16); else the same.
std::string id_earlier(const std::string& id, std::chrono::seconds by);

// Follows a public stream of a Mastodon instance (server-sent events). Once a connection is open,
// what came since the newest status that is on disk is fetched through the REST timeline (min_id,
// at most 100 pages of 40). That status' id goes to NAME.cursor, at most every 5 s.
class MastodonSource final : public Source {
 public:
  // `rest` is used while `stream` is open.
  static Result<std::unique_ptr<Source>> create(MastodonOptions options,
                                                const SourceContext& context,
                                                std::unique_ptr<HttpFetch> stream,
                                                std::unique_ptr<HttpFetch> rest);
  ~MastodonSource() override;

  void run(const std::stop_token& stop) override;
  const SourceStatus& status() const override;

 private:
  class Impl;
  explicit MastodonSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch
