// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "serve/grpc/answer_stream.h"
#include "tidewatch/v1/tidewatch.grpc.pb.h"

namespace tidewatch {

// One Ingest call: batches of posts in, one answer a batch in their order, each when all accepted
// posts of its batch are on disk; a batch that was refused whole is answered at once. Costs one
// allocation a post beside the post's own strings, which are moved out of the message.
class IngestStream final : public AnswerStream<v1::IngestRequest, v1::IngestResponse> {
 public:
  IngestStream(std::shared_ptr<GrpcCore> core, grpc::CallbackServerContext& context)
      : AnswerStream(std::move(core), context, Order::kInOrder) {}

 private:
  Status take(v1::IngestRequest& request, Slot* slot) override;
  std::size_t items(const v1::IngestRequest& request) const override {
    return static_cast<std::size_t>(request.posts_size());
  }
};

}  // namespace tidewatch
