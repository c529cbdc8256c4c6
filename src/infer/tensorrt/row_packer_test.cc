// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/row_packer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <vector>

namespace tidewatch::tensorrt {
namespace {

using Lengths = std::vector<std::uint32_t>;

// No two texts share an id of a row or a slot, and each lies within its row.
void expect_sound(const RowPacker& packer, const Lengths& lengths, std::size_t count) {
  const RowShape& shape = packer.shape();
  ASSERT_EQ(packer.places().size(), count);
  std::vector<bool> taken(shape.tokens());
  std::set<std::pair<std::uint32_t, std::uint32_t>> slots;
  for (std::size_t i = 0; i < count; ++i) {
    const TextPlace& place = packer.places()[i];
    ASSERT_LT(place.row, shape.rows);
    ASSERT_LT(place.slot, shape.slots);
    ASSERT_LE(place.begin + lengths[i], shape.width);
    EXPECT_TRUE(slots.insert({place.row, place.slot}).second) << "text " << i;
    for (std::size_t k = 0; k < lengths[i]; ++k) {
      const std::size_t at = place.row * shape.width + place.begin + k;
      EXPECT_FALSE(taken[at]) << "text " << i << ", id " << k;
      taken[at] = true;
    }
  }
}

double fill_of(const RowPacker& packer, const Lengths& lengths, std::size_t count) {
  double real = 0;
  for (std::size_t i = 0; i < count; ++i) real += lengths[i];
  return real / static_cast<double>(packer.shape().tokens());
}

TEST(RowPacker, GivesNothingForNothing) {
  const RowGrid grid(6'144);
  RowPacker packer(grid);
  EXPECT_EQ(packer.pack({}), 0U);
}

TEST(RowPacker, LeavesALoneTextInTheNarrowestRow) {
  const RowGrid grid(6'144);
  RowPacker packer(grid);
  const std::pair<std::uint32_t, std::size_t> cases[] = {{1, 32},   {32, 32},   {33, 64},  {96, 96},
                                                         {97, 128}, {200, 256}, {512, 512}};
  for (const auto& [length, width] : cases) {
    const Lengths lengths{length};
    EXPECT_EQ(packer.pack(lengths), 1U);
    EXPECT_EQ(packer.shape().width, width) << length;
    EXPECT_EQ(packer.shape().rows, 1U) << length;
  }
}

TEST(RowPacker, FillsEqualTextsWithoutWaste) {
  const RowGrid grid(6'144);
  RowPacker packer(grid);
  const Lengths lengths(64, 96);
  ASSERT_EQ(packer.pack(lengths), 64U);
  expect_sound(packer, lengths, 64);
  EXPECT_EQ(fill_of(packer, lengths, 64), 1.0);
}

TEST(RowPacker, TakesAsManyAsFitARun) {
  const RowGrid grid(6'144);
  RowPacker packer(grid);
  const Lengths lengths(200, 512);
  const std::size_t count = packer.pack(lengths);
  EXPECT_GT(count, 0U);
  EXPECT_LE(count, 12U);  // 6,144 / 512
  expect_sound(packer, lengths, count);
}

TEST(RowPacker, IsSoundOnRandomLengths) {
  const RowGrid grid(6'144);
  for (const auto layout : {RowPacker::Layout::kPacked, RowPacker::Layout::kOneARow}) {
    RowPacker packer(grid, layout);
    std::mt19937 random(7);
    for (int round = 0; round < 300; ++round) {
      Lengths lengths(1 + random() % 300);
      const auto most = static_cast<std::uint32_t>(1 + random() % 512);
      for (auto& length : lengths) length = static_cast<std::uint32_t>(1 + random() % most);
      for (std::size_t done = 0; done < lengths.size();) {
        const Lengths rest(lengths.begin() + static_cast<std::ptrdiff_t>(done), lengths.end());
        const std::size_t count = packer.pack(rest);
        ASSERT_GT(count, 0U);
        expect_sound(packer, rest, count);
        if (HasFatalFailure()) return;
        done += count;
      }
    }
  }
}

// The lengths of docs/bench.md: log-normal, sigma 0.75, mean 96, 15 to 512.
Lengths real_mix(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> draw(std::log(76.0), 0.75);
  Lengths lengths;
  for (std::size_t i = 0; i < count; ++i) {
    lengths.push_back(static_cast<std::uint32_t>(std::clamp(draw(random), 15.0, 512.0)));
  }
  return lengths;
}

TEST(RowPacker, WastesLittleOfTheRealMix) {
  const RowGrid grid(6'144);
  double real = 0;
  double packed = 0;
  double padded = 0;
  RowPacker packer(grid);
  RowPacker one_a_row(grid, RowPacker::Layout::kOneARow);
  for (std::uint32_t round = 0; round < 200; ++round) {
    Lengths lengths = real_mix(200, round);
    std::size_t ids = 0;
    std::size_t count = 0;
    while (count < lengths.size() && ids + lengths[count] <= grid.tokens()) ids += lengths[count++];
    lengths.resize(count);
    real += static_cast<double>(ids);
    for (auto [which, sum] : {std::pair{&packer, &packed}, {&one_a_row, &padded}}) {
      for (std::size_t done = 0; done < count;) {
        const Lengths rest(lengths.begin() + static_cast<std::ptrdiff_t>(done), lengths.end());
        done += which->pack(rest);
        *sum += static_cast<double>(which->shape().tokens());
      }
    }
  }
  RecordProperty("tokens_computed_per_real_packed", std::to_string(packed / real));
  RecordProperty("tokens_computed_per_real_padded", std::to_string(padded / real));
  EXPECT_LT(packed / real, 1.15);
  EXPECT_GT(padded / packed, 2.0);
}

}  // namespace
}  // namespace tidewatch::tensorrt
