// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/http_client.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

TEST(HttpAnswerHead, ReadsStatusAndLength) {
  const auto head = parse_answer_head(
      "HTTP/1.1 429 Too Many Requests\r\ncontent-LENGTH:  12 \r\nConnection: Close\r\n\r\n{");
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(head->status, 429);
  EXPECT_EQ(head->body_bytes, 12U);
  EXPECT_TRUE(head->close);
  EXPECT_EQ(head->head_bytes, 75U);
}

TEST(HttpAnswerHead, AsksForMoreUntilTheBlankLine) {
  EXPECT_EQ(parse_answer_head("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n").error().code,
            Code::kUnavailable);
}

TEST(HttpAnswerHead, RefusesWhatItCannotRead) {
  for (const char* bytes : {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 xyz\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    const auto head = parse_answer_head(bytes);
    ASSERT_FALSE(head.ok()) << bytes;
    EXPECT_EQ(head.error().code, Code::kInvalidArgument) << bytes;
  }
}

}  // namespace
}  // namespace tidewatch
