// SPDX-License-Identifier: Apache-2.0
#include "app/bench/bench_options.h"

#include <gtest/gtest.h>

#include <functional>

namespace tidewatch {
namespace {

TEST(BenchTarget, ReadsEveryWay) {
  const auto kserve = parse_bench_target("kserve://127.0.0.1:8001/fast");
  ASSERT_TRUE(kserve.ok()) << kserve.error().message;
  EXPECT_EQ(kserve->via, "kserve");
  EXPECT_EQ(kserve->host, "127.0.0.1");
  EXPECT_EQ(kserve->port, 8001);
  EXPECT_EQ(kserve->model, "fast");
  const auto v6 = parse_bench_target("http://[::1]:80");
  ASSERT_TRUE(v6.ok()) << v6.error().message;
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 80);
}

TEST(BenchTarget, RefusesWhatIsNone) {
  for (const char* url :
       {"", "host:1", "ftp://h:1", "http://h", "http://h:", "http://:1", "http://h:0",
        "http://h:70000", "http://h:1x", "kserve://h:1", "kserve://h:1/", "grpc://h:1/model"}) {
    EXPECT_FALSE(parse_bench_target(url).ok()) << url;
  }
}

TEST(Duplicates, ReadsSharesAndPercentages) {
  EXPECT_EQ(parse_duplicates("0")->repeat, 0);
  EXPECT_EQ(parse_duplicates("0.25")->repeat, 0.25);
  EXPECT_EQ(parse_duplicates("30%")->repeat, 0.3);
  EXPECT_EQ(parse_duplicates("0")->empty, 0);
  EXPECT_EQ(parse_duplicates("real")->empty, 0.4);
  for (const char* text : {"", "%", "1", "100%", "-0.1", "many", "0.2x", "nan"}) {
    EXPECT_FALSE(parse_duplicates(text).ok()) << text;
  }
}

TEST(BenchServeOptions, SaysWhichOptionsDoNotGoTogether) {
  EXPECT_TRUE(check_options({}).ok());
  struct Case {
    const char* names;
    std::function<void(BenchServeOptions&)> set;
  };
  const Case cases[] = {
      {"--duplicates", [](auto& o) { o.duplicates = "2"; }},
      {"--target", [](auto& o) { o.target = "nowhere"; }},
      {"--pid", [](auto& o) { o.pid = 7; }},
      {"--verify",
       [](auto& o) {
         o.target = "http://h:1";
         o.verify = true;
       }},
      {"--data-dir",
       [](auto& o) {
         o.target = "http://h:1";
         o.data_dir = "x";
       }},
      {"--no-cache",
       [](auto& o) {
         o.target = "http://h:1";
         o.no_cache = true;
       }},
      {"--trace",
       [](auto& o) {
         o.trace_file = "t";
         o.sweep = true;
       }},
      {"--tokens",
       [](auto& o) {
         o.trace_file = "t";
         o.tokens = 96;
       }},
      {"--bare",
       [](auto& o) {
         o.verify = true;
         o.bare = true;
       }},
      {"--sweep",
       [](auto& o) {
         o.verify = true;
         o.sweep = true;
       }},
      {"--path ingest",
       [](auto& o) {
         o.verify = true;
         o.path = "classify";
       }},
      {"--swap-engines", [](auto& o) { o.swaps = 3; }},
      {"--swap-url",
       [](auto& o) {
         o.swaps = 3;
         o.swap_engines = {"a", "b"};
         o.target = "grpc://h:1";
       }},
      {"--overload",
       [](auto& o) {
         o.swaps = 3;
         o.swap_engines = {"a", "b"};
         o.overload = {2};
       }},
  };
  for (const Case& c : cases) {
    BenchServeOptions options;
    c.set(options);
    const Status status = check_options(options);
    ASSERT_FALSE(status.ok()) << c.names;
    EXPECT_NE(status.error().message.find(c.names), std::string::npos) << status.error().message;
  }
}

}  // namespace
}  // namespace tidewatch
