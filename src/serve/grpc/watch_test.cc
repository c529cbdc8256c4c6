// SPDX-License-Identifier: Apache-2.0
// Watch over a real connection, and the hub behind it.
#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "serve/grpc/alert_hub.h"
#include "serve/grpc/testing/grpc_fixture.h"

namespace tidewatch {
namespace {

using testing::HasSubstr;

Alert alert(const std::string& id, const std::string& severity = "info") {
  Alert a;
  a.id = id;
  a.severity = severity;
  a.kind = "volume";
  a.state = "open";
  return a;
}

constexpr const char* kOneOpen = R"({"alerts":[{"id":"al_0","severity":"info"}],"next":null})";

class WatchTest : public testing_support::GrpcTest {
 protected:
  WatchTest() { engine.alerts_json = R"({"alerts":[],"next":null})"; }
};

TEST_F(WatchTest, TellsWhatIsOpenAndThenWhatChanges) {
  engine.alerts_json = R"({"alerts":[{"id":"al_2","severity":"critical"},)"
                       R"({"id":"al_1","severity":"info"}],"next":null})";
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Watch(&context, {});
  v1::WatchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.event(), "opened");
  EXPECT_THAT(response.alert_json(), HasSubstr(R"("id":"al_1")"));  // the oldest first
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(response.alert_json(), HasSubstr(R"("id":"al_2")"));
  for (const char* event : {"opened", "updated", "acknowledged", "closed"}) {
    server->alerts().publish_alert(event, alert("al_3"));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.event(), event);
    EXPECT_THAT(response.alert_json(), HasSubstr(R"("id":"al_3")"));
  }
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(WatchTest, LeavesOutWhatIsLessSevere) {
  engine.alerts_json = R"({"alerts":[{"id":"al_2","severity":"critical"},)"
                       R"({"id":"al_1","severity":"info"}],"next":null})";
  start();
  grpc::ClientContext context;
  bound(context);
  v1::WatchRequest request;
  request.set_severity_min("warning");
  const auto stream = stub->Watch(&context, request);
  v1::WatchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(response.alert_json(), HasSubstr(R"("id":"al_2")"));
  server->alerts().publish_alert("opened", alert("al_3", "info"));
  server->alerts().publish_alert("opened", alert("al_4", "warning"));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(response.alert_json(), HasSubstr(R"("id":"al_4")"));
}

TEST_F(WatchTest, EndsAClientThatIsTooSlow) {
  options.watch_events_max = 8;
  engine.alerts_json = kOneOpen;
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Watch(&context, {});
  v1::WatchResponse response;
  ASSERT_TRUE(stream->Read(&response));  // from here on it is subscribed, and does not read
  Alert large = alert("al_1");
  large.title.assign(1 << 20, 'x');
  // More than the connection's windows and the bound can hold.
  for (int i = 0; i < 200; ++i) server->alerts().publish_alert("updated", large);
  while (stream->Read(&response)) {
  }
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("too slow"));
}

TEST_F(WatchTest, RefusesWhatItCannotTell) {
  options.watchers_max = 1;
  engine.alerts_json = kOneOpen;
  start();
  v1::WatchResponse response;
  v1::WatchRequest request;
  request.set_severity_min("loud");
  grpc::ClientContext wrong;
  bound(wrong);
  EXPECT_EQ(stub->Watch(&wrong, request)->Finish().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  grpc::ClientContext first;
  bound(first);
  const auto stream = stub->Watch(&first, {});
  ASSERT_TRUE(stream->Read(&response));  // it is subscribed
  grpc::ClientContext second;
  bound(second);
  EXPECT_EQ(stub->Watch(&second, {})->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(WatchTest, AnswersWithTheReasonWhenTheOpenAlertsCannotBeRead) {
  engine.alerts_json.reset();
  engine.query_error = Error{Code::kUnavailable, "the disk is away"};
  start();
  grpc::ClientContext context;
  bound(context);
  const grpc::Status status = stub->Watch(&context, {})->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the disk is away");
  for (const char* document : {"", "{}", "[]", R"({"alerts":1})"}) {
    engine.query_error.reset();
    engine.alerts_json = document;
    grpc::ClientContext again;
    bound(again);
    EXPECT_EQ(stub->Watch(&again, {})->Finish().error_code(), grpc::StatusCode::INTERNAL);
  }
}

TEST_F(WatchTest, TheServersStopEndsIt) {
  engine.alerts_json = kOneOpen;
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Watch(&context, {});
  // Under way: a call that the server does not know yet ends as the transport will have it.
  v1::WatchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  std::thread stopper([&] { server->stop(); });
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopper.join();
  server->alerts().publish_alert("opened", alert("al_1"));  // nobody is there: nothing happens
}

TEST(AlertHub, KeepsNoMoreThanItsBoundForAWatcher) {
  AlertHub hub(/*watchers_max=*/2, /*events_max=*/3);
  int woken = 0;
  const auto watcher = hub.subscribe(0, [&] { ++woken; });
  ASSERT_NE(watcher, nullptr);
  for (int i = 0; i < 3; ++i) hub.publish_alert("opened", alert("al"));
  EXPECT_EQ(watcher->state(), AlertWatcher::State::kOpen);
  hub.publish_alert("opened", alert("al"));
  EXPECT_EQ(watcher->state(), AlertWatcher::State::kTooSlow);
  EXPECT_EQ(woken, 4);
  hub.publish_alert("opened", alert("al"));
  EXPECT_EQ(woken, 4);
  ASSERT_NE(hub.subscribe(0, [] {}), nullptr);
  EXPECT_EQ(hub.subscribe(0, [] {}), nullptr);  // two are there
  hub.unsubscribe(watcher);
  EXPECT_EQ(hub.watchers(), 1U);
  hub.close();
  EXPECT_EQ(hub.subscribe(0, [] {}), nullptr);
}

}  // namespace
}  // namespace tidewatch
