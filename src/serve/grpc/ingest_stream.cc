// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/ingest_stream.h"

#include <chrono>
#include <limits>
#include <string>
#include <utility>

namespace tidewatch {
namespace {

// Only what is set: asking protobuf for an unset string to move from would make one.
#define TIDEWATCH_MOVE_STRING(from, name, to) \
  if (!(from).name().empty()) (to) = std::move(*(from).mutable_##name())

Post to_post(v1::Post& wire) {
  Post post;
  TIDEWATCH_MOVE_STRING(wire, id, post.id);
  TIDEWATCH_MOVE_STRING(wire, text, post.text);
  TIDEWATCH_MOVE_STRING(wire, source, post.source);
  TIDEWATCH_MOVE_STRING(wire, author, post.author);
  TIDEWATCH_MOVE_STRING(wire, region, post.region);
  TIDEWATCH_MOVE_STRING(wire, repost_of, post.repost_of);
  TIDEWATCH_MOVE_STRING(wire, url, post.url);
  TIDEWATCH_MOVE_STRING(wire, extra_json, post.extra);
  post.time = EventTime{std::chrono::milliseconds{wire.time_ms()}};
  if (wire.has_likes()) post.likes = wire.likes();
  if (wire.has_reposts()) post.reposts = wire.reposts();
  return post;
}

#undef TIDEWATCH_MOVE_STRING

void fill(PostBatchResult&& result, v1::IngestResponse& response) {
  response.set_accepted(result.accepted);
  response.set_duplicates(result.duplicates);
  response.set_refused(result.refused);
  response.set_refused_from(result.refused_from);
  response.set_retry_after_ms(static_cast<std::uint32_t>(result.retry_after.count()));
  response.set_unavailable(std::move(result.unavailable));
  for (PostError& error : result.errors) {
    v1::PostError& wire = *response.add_errors();
    wire.set_index(error.index);
    wire.set_field(std::move(error.field));
    wire.set_reason(std::move(error.reason));
  }
}

}  // namespace

Status IngestStream::take(v1::IngestRequest& request, Slot* slot) {
  const std::size_t count = items(request);
  if (count > core().options.batch_posts_max) {
    return Error{Code::kInvalidArgument, "batch " + std::to_string(request.batch()) + " has " +
                                             std::to_string(count) + " posts; at most " +
                                             std::to_string(core().options.batch_posts_max) +
                                             " are taken in one"};
  }
  PostBatch batch;
  batch.posts.reserve(count);
  for (v1::Post& post : *request.mutable_posts()) batch.posts.push_back(to_post(post));
  if (request.timeout_ms() > 0) {
    batch.limits.deadline = sooner(SteadyTime::max(), core().clock.steady_now(),
                                   std::chrono::milliseconds{request.timeout_ms()});
  }
  slot->response.set_batch(request.batch());
  core().engine.ingest(std::move(batch), [self = shared_from_this(), slot](PostBatchResult result) {
    const bool nothing_taken = result.refused > 0 && result.refused_from == 0;
    fill(std::move(result), slot->response);
    self->answered(slot, /*overtakes=*/nothing_taken);
  });
  return {};
}

}  // namespace tidewatch
