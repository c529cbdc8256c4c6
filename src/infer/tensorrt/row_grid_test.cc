// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/row_grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "infer/tensorrt/graph_cache.h"

namespace tidewatch::tensorrt {
namespace {

using testing::HasSubstr;

// A plan that was built for these profiles.
class FakePlan final : public Plan {
 public:
  explicit FakePlan(std::vector<ProfileRange> ranges) : ranges_(std::move(ranges)) {}
  std::vector<TensorInfo> tensors() const override { return {}; }
  std::size_t profiles() const override { return ranges_.size(); }
  Result<ProfileRange> profile(std::size_t index) const override { return ranges_.at(index); }
  Result<std::unique_ptr<Execution>> execution(std::size_t, CudaStream) override {
    return Error{Code::kUnimplemented, "a fake runs nothing"};
  }
  std::string layer_report() const override { return "{}"; }

 private:
  std::vector<ProfileRange> ranges_;
};

TEST(RowGrid, KeepsEveryShapeWithinItsProfile) {
  for (const std::size_t tokens : {512U, 6'144U, 12'288U, 24'576U}) {
    const RowGrid grid(tokens);
    const std::vector<ProfileRange> profiles = grid.profiles();
    for (const RowShape& shape : grid.shapes()) {
      const InputRange& ids = profiles.at(shape.profile).front();
      EXPECT_GE(static_cast<std::int64_t>(shape.width), ids.least[1]);
      EXPECT_LE(static_cast<std::int64_t>(shape.width), ids.most[1]);
      EXPECT_LE(static_cast<std::int64_t>(shape.rows), ids.most[0]);
      const InputRange& shares = profiles[shape.profile].back();
      EXPECT_LE(static_cast<std::int64_t>(shape.slots), shares.most[1]);
    }
  }
}

TEST(RowGrid, HasTheFullRunOfUsualTexts) {
  const RowGrid grid(6'144);
  const RowShape* shape = grid.find(96, 64);
  ASSERT_NE(shape, nullptr);
  EXPECT_EQ(shape->rows, 64U);
  EXPECT_EQ(grid.find(96, 65), nullptr);
  EXPECT_EQ(grid.rows_max(512), 12U);
  EXPECT_EQ(grid.describe(), "rows of 128 up to 64, of 256 up to 24, of 512 up to 12");
}

TEST(RowGrid, IsReadBackFromAPlan) {
  for (std::size_t tokens = 500; tokens < 66'000; tokens += 37) {
    const RowGrid grid(tokens);
    const auto read = RowGrid::of_plan(FakePlan(grid.profiles()));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->shapes(), grid.shapes());
  }
}

TEST(RowGrid, RefusesOtherPlans) {
  EXPECT_FALSE(RowGrid::of_plan(FakePlan({})));
  std::vector<ProfileRange> ranges = RowGrid(6'144).profiles();
  ranges[1][0].most[1] = 300;
  const auto read = RowGrid::of_plan(FakePlan(ranges));
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("build the engine again"));
  const auto other = RowGrid::of_plan(FakePlan({{{"input_ids", {1, 1}, {1, 1}, {1, 1}}}}));
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("token_ids"));
}

TEST(GraphCache, RecordsEachShapeOnce) {
  const RowGrid grid(512);
  GraphCache<int> cache(grid.shapes());
  int made = 0;
  const auto make = [&](const RowShape&) -> Result<int> { return ++made; };
  for (int round = 0; round < 3; ++round) {
    for (const RowShape& shape : grid.shapes()) ASSERT_TRUE(cache.get(shape, make));
  }
  EXPECT_EQ(made, static_cast<int>(grid.shapes().size()));
  EXPECT_EQ(cache.size(), grid.shapes().size());
}

TEST(GraphCache, TriesAgainAfterAFailure) {
  const RowGrid grid(512);
  GraphCache<int> cache(grid.shapes());
  const RowShape shape = grid.shapes().front();
  EXPECT_FALSE(cache.get(
      shape, [](const RowShape&) -> Result<int> { return Error{Code::kInternal, "no memory"}; }));
  const auto second = cache.get(shape, [](const RowShape&) -> Result<int> { return 5; });
  ASSERT_TRUE(second);
  EXPECT_EQ(**second, 5);
}

TEST(GraphCache, KnowsOnlyItsGrid) {
  const RowGrid grid(512);
  GraphCache<int> cache(grid.shapes());
  EXPECT_FALSE(cache.get({0, 9'999, 32, 2}, [](const RowShape&) -> Result<int> { return 1; }));
}

}  // namespace
}  // namespace tidewatch::tensorrt
