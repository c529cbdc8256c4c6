// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/result.h"

namespace tidewatch {

// How one event grew: when its posts came, as seconds since the first of them.
struct EventCurve {
  std::string name;
  std::vector<double> seconds;  // rising, from 0; at least two
};

// Reads one event a line: `name<TAB>0 12 15.5 ...`, seconds of its posts since any origin. Gzip and
// zstd are unpacked. Events of fewer than `posts_min` posts are left out.
Result<std::vector<EventCurve>> read_event_curves(const std::string& path,
                                                  std::size_t posts_min = 50);

// Cascades for a machine without data: posts that draw further posts, at delays with a heavy tail
// (a branching process, as in A. G. Hawkes, Biometrika 58, 1971, with the power law of delays that
// R. Crane and D. Sornette, PNAS 105, 2008, found), each from a hub that draws many at once.
std::vector<EventCurve> make_event_curves(std::uint64_t seed, std::size_t num_events);

// Resamples an event: `num_posts` posts over `length` seconds with the growth of `curve`, as counts
// a second; the first post is in second 0. The last 5 % of the curve's posts are cut off: a tail of
// months would press all else into the first instant. Between the times of the curve posts come
// evenly.
std::vector<std::uint32_t> resample_event(const EventCurve& curve, std::uint32_t num_posts,
                                          std::int32_t length, std::mt19937_64& random);

}  // namespace tidewatch
