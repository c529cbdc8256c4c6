// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/row_grid.h"

#include <fmt/format.h>

#include <algorithm>

#include "infer/tensorrt/packed_encoder.h"

namespace tidewatch::tensorrt {
namespace {

constexpr std::array<std::size_t, 8> kWidths{32, 64, 96, 128, 192, 256, 384, 512};
// Steps of a third or less: what is filled up with empty rows stays small.
constexpr std::array<std::size_t, 19> kRows{1,  2,  4,  6,  8,  12, 16,  20,  24, 32,
                                            40, 48, 56, 60, 64, 96, 128, 192, 256};
constexpr std::size_t kUsualTexts = 96;  // ids of a usual text
constexpr std::size_t kTokensMin = 512;
constexpr std::size_t kTokensMax = 65'536;

std::size_t profile_of(std::size_t width) {
  std::size_t profile = 0;
  while (kProfileWidths[profile] < width) ++profile;
  return profile;
}

std::size_t slots_of(std::size_t width) { return std::max<std::size_t>(1, width / kSlotIds); }

std::int64_t dim(std::size_t size) { return static_cast<std::int64_t>(size); }

}  // namespace

RowGrid::RowGrid(std::size_t tokens, std::size_t width_max)
    : tokens_(std::clamp(tokens, kTokensMin, kTokensMax) / kUsualTexts * kUsualTexts) {
  for (const std::size_t width : kWidths) {
    if (!widths_.empty() && widths_.back() >= width_max) break;
    widths_.push_back(width);
    const std::size_t profile = profile_of(width);
    num_profiles_ = profile + 1;
    for (const std::size_t rows : kRows) {
      if (rows < profile_rows(profile)) shapes_.push_back({profile, rows, width, slots_of(width)});
    }
    shapes_.push_back({profile, profile_rows(profile), width, slots_of(width)});
    texts_max_ = std::max(texts_max_, shapes_.back().texts());
  }
}

std::size_t RowGrid::rows_max(std::size_t width) const { return profile_rows(profile_of(width)); }

std::size_t RowGrid::profile_rows(std::size_t profile) const {
  // The narrowest profile is full with texts of a usual length, one a row.
  return profile == 0 ? tokens_ / kUsualTexts
                      : std::max<std::size_t>(1, tokens_ / kProfileWidths[profile]);
}

std::vector<ProfileRange> RowGrid::profiles() const {
  std::vector<ProfileRange> result;
  for (std::size_t i = 0; i < num_profiles_; ++i) {
    const std::size_t least = i == 0 ? kWidths[0] : kProfileWidths[i - 1] + 1;
    const std::size_t usual = i == 0 ? kUsualTexts : kProfileWidths[i];
    const std::size_t most = kProfileWidths[i];
    const std::size_t rows = profile_rows(i);
    ProfileRange range;
    for (const char* name : {kTokenIds, kPositions, kTexts}) {
      range.push_back({name, {1, dim(least)}, {dim(rows), dim(usual)}, {dim(rows), dim(most)}});
    }
    range.push_back({kSlotNumbers, {1}, {dim(slots_of(usual))}, {dim(slots_of(most))}});
    range.push_back(
        {kShares, {1, 1}, {dim(rows), dim(slots_of(usual))}, {dim(rows), dim(slots_of(most))}});
    result.push_back(std::move(range));
  }
  return result;
}

Result<RowGrid> RowGrid::of_plan(const Plan& plan) {
  const auto refuse = [](std::string_view why) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("the plan is not one of packed rows: {}; build the engine again", why)};
  };
  if (plan.profiles() == 0 || plan.profiles() > kProfileWidths.size()) {
    return refuse(fmt::format("{} profiles", plan.profiles()));
  }
  TRY_ASSIGN(const ProfileRange first, plan.profile(0));
  const auto ids = std::find_if(first.begin(), first.end(),
                                [](const InputRange& range) { return range.input == kTokenIds; });
  if (ids == first.end() || ids->most.size() != 2) return refuse("no input token_ids");
  const RowGrid grid(static_cast<std::size_t>(ids->most[0]) * kUsualTexts,
                     kProfileWidths[plan.profiles() - 1]);
  const std::vector<ProfileRange> wanted = grid.profiles();
  for (std::size_t i = 0; i < plan.profiles(); ++i) {
    TRY_ASSIGN(const ProfileRange range, plan.profile(i));
    for (const InputRange& want : wanted[i]) {
      const bool there = std::any_of(range.begin(), range.end(), [&](const InputRange& has) {
        return has.input == want.input && has.least == want.least && has.most == want.most;
      });
      if (!there) return refuse(fmt::format("profile {} of '{}' is another", i, want.input));
    }
  }
  return grid;
}

const RowShape* RowGrid::find(std::size_t width, std::size_t rows) const {
  for (const RowShape& shape : shapes_) {
    if (shape.width == width && shape.rows >= rows) return &shape;
  }
  return nullptr;
}

std::string RowGrid::describe() const {
  std::string text = "rows of";
  for (std::size_t i = 0; i < num_profiles_; ++i) {
    text += fmt::format("{} {} up to {}", i == 0 ? "" : ", of", kProfileWidths[i], profile_rows(i));
  }
  return text;
}

}  // namespace tidewatch::tensorrt
