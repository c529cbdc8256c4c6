#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidewatch.v1 over gRPC against the real program, with stubs that grpcio-tools generates."""

import importlib
import json
import pathlib
import sys
import tempfile
import time
import unittest

import grpc
from grpc_tools import protoc

from engine import Engine, binary_from_environment

BINARY = binary_from_environment()
PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
DEADLINE = 60  # seconds on every call: a test fails rather than hangs


def generate(folder):
    """Stubs of proto/tidewatch in `folder`; gives (messages, services)."""
    arguments = ["protoc", f"-I{PROTO}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main([*arguments, str(PROTO / "tidewatch/v1/tidewatch.proto")]) != 0:
        raise SystemExit("protoc failed")
    sys.path.insert(0, folder)
    return (
        importlib.import_module("tidewatch.v1.tidewatch_pb2"),
        importlib.import_module("tidewatch.v1.tidewatch_pb2_grpc"),
    )


class Client:
    def __init__(self, engine):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{engine.grpc_port}")
        self.stub = services.TidewatchStub(self.channel)

    def ingest(self, batches, **options):
        """Sends lists of posts as batches 0, 1, …; gives the answers."""
        requests = (pb.IngestRequest(batch=i, posts=posts) for i, posts in enumerate(batches))
        return list(self.stub.Ingest(requests, timeout=DEADLINE, **options))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


def post(text, **fields):
    return pb.Post(text=text.encode() if isinstance(text, str) else text, **fields)


class GrpcTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.engine = Engine(BINARY, cls.folder.name)
        cls.client = Client(cls.engine)

    @classmethod
    def tearDownClass(cls):
        cls.client.__exit__()
        status = cls.engine.stop()
        cls.engine.__exit__()
        cls.folder.cleanup()
        assert status == 0, status

    def test_posts_are_stored_found_and_never_doubled(self):
        posts = [post(f"蓝鲸号列车晚点了 {i}", id=f"g-{i}", author="a", region="广东", extra_json='{ "k": [1] }')
                 for i in range(40)]
        answers = self.client.ingest([posts[:16], posts[16:], posts[:3]])
        self.assertEqual([a.batch for a in answers], [0, 1, 2])
        self.assertEqual([a.accepted for a in answers], [16, 24, 0])
        self.assertEqual(answers[2].duplicates, 3)
        found = self.engine.get("/v1/posts/g-7")
        self.assertEqual((found["text"], found["region"], found["extra"]), ("蓝鲸号列车晚点了 7", "广东", {"k": [1]}))
        deadline = time.monotonic() + 30
        while self.engine.get("/v1/posts", q="蓝鲸号", limit=100)["index_lag_posts"] > 0:
            self.assertLess(time.monotonic(), deadline, "the index lags")
        self.assertEqual(len(self.engine.get("/v1/posts", q="蓝鲸号", limit=100)["posts"]), 40)

    def test_bad_posts_are_told_one_by_one(self):
        batch = [post("好", id="ok-1"), post("x" * 70_000), post("y", likes=-1), post("z", time_ms=-5),
                 post("e", extra_json="[1]"), post("", id="ok-2"), post(b"\xff\x00", id="ok-3"), post("i", id="i" * 300)]
        answer = self.client.ingest([batch])[0]
        self.assertEqual(answer.accepted, 3)
        self.assertEqual([(e.index, e.field) for e in answer.errors],
                         [(1, "text"), (2, "likes"), (3, "time"), (4, "extra_json"), (7, "id")])
        self.assertIn("at most 65536 bytes", answer.errors[0].reason)
        self.assertEqual(self.engine.get("/v1/posts/ok-3")["text"], "\ufffd\ufffd")

    def test_a_batch_that_is_too_large_ends_the_stream_after_the_answers(self):
        requests = [pb.IngestRequest(batch=0, posts=[post("好", id="large-1")]),
                    pb.IngestRequest(batch=1, posts=[post("x")] * 4097)]
        call = self.client.stub.Ingest(iter(requests), timeout=DEADLINE)
        self.assertEqual(next(call).accepted, 1)
        with self.assertRaises(grpc.RpcError) as failure:
            next(call)
        self.assertEqual(failure.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_classify(self):
        answer = self.client.stub.Classify(
            pb.ClassifyRequest(texts=["今天真开心".encode(), b""], request=7), timeout=DEADLINE)
        self.assertEqual((answer.request, answer.model, len(answer.results)), (7, "fast", 2))
        first, empty = answer.results
        self.assertEqual((len(first.emotion.probabilities), len(first.topic.probabilities)), (6, 14))
        self.assertAlmostEqual(sum(first.emotion.probabilities), 1, places=4)
        self.assertEqual((empty.emotion.label, empty.topic.label, empty.answered_by), ("neutral", "unknown", ""))
        status, _, over_http = self.engine.request("POST", "/v1/classify", '{"texts":["今天真开心"]}'.encode())
        self.assertEqual((status, over_http["results"][0]["emotion"]["label"]), (200, first.emotion.label))

    def test_classify_refuses_what_is_wrong(self):
        cases = [
            (pb.ClassifyRequest(texts=[b"x"], model="none-such"), grpc.StatusCode.NOT_FOUND),
            (pb.ClassifyRequest(texts=[b"x"] * 1025), grpc.StatusCode.INVALID_ARGUMENT),
            (pb.ClassifyRequest(texts=[b"x" * 70_000]), grpc.StatusCode.INVALID_ARGUMENT),
            (pb.ClassifyRequest(texts=[b"x"], priority=3), grpc.StatusCode.INVALID_ARGUMENT),
        ]
        for request, code in cases:
            with self.assertRaises(grpc.RpcError) as failure:
                self.client.stub.Classify(request, timeout=DEADLINE)
            self.assertEqual(failure.exception.code(), code)

    def test_classify_stream_goes_on_after_an_error(self):
        requests = [pb.ClassifyRequest(request=i, texts=[f"气死我了 {i}".encode()]) for i in range(100)]
        requests.insert(50, pb.ClassifyRequest(request=1000, texts=[b"x"], model="none-such"))
        answers = {a.request: a for a in self.client.stub.ClassifyStream(iter(requests), timeout=DEADLINE)}
        self.assertEqual(len(answers), 101)
        self.assertEqual(answers[1000].error_code, grpc.StatusCode.NOT_FOUND.value[0])
        self.assertTrue(all(len(answers[i].results) == 1 and not answers[i].error_code for i in range(100)))

    def test_watch_refuses_an_unknown_severity(self):
        with self.assertRaises(grpc.RpcError) as failure:
            next(self.client.stub.Watch(pb.WatchRequest(severity_min="loud"), timeout=DEADLINE))
        self.assertEqual(failure.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)


class OwnEngineTest(unittest.TestCase):
    def test_an_acknowledged_post_survives_kill_9(self):
        with tempfile.TemporaryDirectory() as folder:
            acknowledged = []
            with Engine(BINARY, folder, "--model", "none") as engine, Client(engine) as client:
                def batches():
                    for batch in range(100_000):
                        yield pb.IngestRequest(batch=batch, posts=[
                            post(f"第{batch}批 {i}", id=f"k-{batch}-{i}") for i in range(16)])
                try:
                    for answer in client.stub.Ingest(batches(), timeout=DEADLINE):
                        if answer.refused == 0:
                            self.assertEqual(answer.accepted, 16)
                            acknowledged.append(answer.batch)
                        if len(acknowledged) == 50:
                            engine.kill()
                except grpc.RpcError as failure:
                    self.assertIn(failure.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN,
                                                   grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED))
            self.assertGreaterEqual(len(acknowledged), 50)
            with Engine(BINARY, folder, "--model", "none") as engine, Client(engine) as client:
                again = client.ingest([[post(f"第{b}批 {i}", id=f"k-{b}-{i}") for i in range(16)] for b in acknowledged])
                self.assertEqual({a.duplicates for a in again}, {16})
                self.assertEqual({a.accepted for a in again}, {0})
                self.assertEqual(engine.stop(), 0)

    def test_watch_tells_an_alert(self):
        """A quiet hour, then a wave of angry posts of many authors: the alert reaches the watcher."""
        with tempfile.TemporaryDirectory() as folder:
            with Engine(BINARY, folder, "--model", "none") as engine, Client(engine) as client:
                watch = client.stub.Watch(pb.WatchRequest(), timeout=DEADLINE)
                start = int(time.time() * 1000) - 30 * 60_000
                posts = [post("平常的一天 #潮汐#", id=f"q-{i}", author=f"q{i % 50}", region="广东",
                              time_ms=start + i * 4_000) for i in range(420)]
                wave = start + 420 * 4_000
                posts += [post(f"怎么回事 #潮汐# {i}", id=f"w-{i}", author=f"w{i}", region="广东",
                               time_ms=wave + i * 40) for i in range(3_000)]
                for at in range(0, len(posts), 200):
                    answer = client.ingest([posts[at:at + 200]])[0]
                    self.assertEqual((answer.accepted, answer.refused), (len(posts[at:at + 200]), 0))
                told = next(watch)
                self.assertEqual(told.event, "opened")
                alert = json.loads(told.alert_json)
                self.assertGreaterEqual(len(alert["evidence"]), 3)
                # Who comes later is told what is open.
                late = client.stub.Watch(pb.WatchRequest(), timeout=DEADLINE)
                first = next(late)
                self.assertEqual(first.event, "opened")
                self.assertEqual(json.loads(first.alert_json)["id"],
                                 engine.get("/v1/alerts", state="open")["alerts"][-1]["id"])
                # A person's acknowledgement is told too.
                path = f"/v1/alerts/{json.loads(first.alert_json)['id']}/ack"
                self.assertEqual(engine.request("POST", path, b"")[0], 200)
                self.assertIn("acknowledged", (answer.event for answer in late))
                # The server's stop ends the streams politely.
                self.assertEqual(engine.stop(), 0)
                with self.assertRaises(grpc.RpcError) as failure:
                    for _ in late:
                        pass
                self.assertEqual(failure.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_no_grpc(self):
        with tempfile.TemporaryDirectory() as folder:
            with Engine(BINARY, folder, "--model", "none", "--no-grpc") as engine:
                self.assertEqual(engine.get("/healthz")["status"], "ok")
                self.assertIsNone(engine.grpc_port)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as stubs:
        pb, services = generate(stubs)
        unittest.main(verbosity=2)
