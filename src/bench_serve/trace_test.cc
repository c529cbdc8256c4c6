// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/trace.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

using namespace std::chrono_literals;

TEST(Trace, ReadsTimesAndTexts) {
  const Result<Trace> trace = Trace::parse("0\t天气\tx\n0.5\t\r\n0.5\t好\n12\tlast", "t.tsv");
  ASSERT_TRUE(trace.ok()) << trace.error().message;
  ASSERT_EQ(trace->size(), 4U);
  EXPECT_EQ(trace->due(0), 0ns);
  EXPECT_EQ(trace->text(0), "天气\tx");  // only the first tab divides
  EXPECT_EQ(trace->due(1), 500ms);
  EXPECT_EQ(trace->text(1), "");
  EXPECT_EQ(trace->text(2), "好");
  EXPECT_EQ(trace->due(3), 12s);
  EXPECT_EQ(trace->text(3), "last");
}

TEST(Trace, ErrorsNameFileAndLine) {
  struct Case {
    const char* content;
    const char* message;
  };
  for (const Case& c : {
           Case{"", "t.tsv: holds no posts"},
           Case{"0\ta\nno tab here\n", "t.tsv:2: no tab; write seconds<TAB>text"},
           Case{"x\ta\n", "t.tsv:1: what stands before the tab is not a time in seconds from 0"},
           Case{"-1\ta\n", "t.tsv:1: what stands before the tab is not a time in seconds from 0"},
           Case{"nan\ta\n", "t.tsv:1: what stands before the tab is not a time in seconds from 0"},
           Case{"1s\ta\n", "t.tsv:1: what stands before the tab is not a time in seconds from 0"},
           Case{"2\ta\n1\tb\n", "t.tsv:2: earlier than the line before; sort the file by time"},
       }) {
    const Result<Trace> trace = Trace::parse(c.content, "t.tsv");
    ASSERT_FALSE(trace.ok()) << c.content;
    EXPECT_EQ(trace.error().message, c.message);
    EXPECT_EQ(trace.error().code, Code::kInvalidArgument);
  }
  EXPECT_EQ(Trace::read("/nowhere/at/all").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace tidewatch
