#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stock tritonclient from PyPI, over gRPC and over HTTP, against the real program."""

import json
import tempfile
import threading
import unittest

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from engine import Engine, binary_from_environment

BINARY = binary_from_environment()
TEXTS = ["今天真开心", "气死我了,什么破车站", ""]


class Cases:
    """What holds for both clients; `module` and `client` come from the subclasses."""

    def infer_input(self, texts=TEXTS, shape=None, **options):
        shape = shape or [len(texts)]
        tensor = self.module.InferInput("text", shape, "BYTES")
        tensor.set_data_from_numpy(np.array([t.encode() for t in texts], dtype=np.object_).reshape(shape), **options)
        return tensor

    def as_json(self, answer):
        if isinstance(answer, (dict, list)):
            return answer
        from google.protobuf import json_format
        return json_format.MessageToDict(answer, preserving_proto_field_name=True)

    def check(self, result, count=len(TEXTS)):
        self.assertEqual(result.as_numpy("emotion").shape, (count,))
        self.assertEqual(result.as_numpy("topic").shape, (count,))
        probabilities = result.as_numpy("emotion_prob")
        self.assertEqual((probabilities.shape, probabilities.dtype), ((count, 6), np.float32))
        self.assertEqual(result.as_numpy("topic_prob").shape, (count, 14))
        np.testing.assert_allclose(probabilities[:2].sum(axis=1), 1, atol=1e-4)

    def test_server(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertEqual(self.as_json(self.client.get_server_metadata())["name"], "tidewatch")

    def test_model(self):
        self.assertTrue(self.client.is_model_ready("fast"))
        self.assertFalse(self.client.is_model_ready("none-such"))
        metadata = self.as_json(self.client.get_model_metadata("fast"))
        self.assertEqual([t["name"] for t in metadata["inputs"]], ["text"])
        self.assertEqual([(t["name"], t["datatype"]) for t in metadata["outputs"]],
                         [("emotion", "BYTES"), ("topic", "BYTES"), ("emotion_prob", "FP32"), ("topic_prob", "FP32")])
        version = metadata["versions"][0]
        self.assertTrue(self.client.is_model_ready("fast", version))
        self.assertFalse(self.client.is_model_ready("fast", "none-such"))
        config = self.as_json(self.client.get_model_config("fast", version))
        config = config.get("config", config)
        self.assertEqual(config["name"], "fast")
        with self.assertRaises(InferenceServerException) as failure:
            self.client.get_model_metadata("none-such")
        self.assertIn("none-such", str(failure.exception))

    def test_infer(self):
        for shape in ([3], [3, 1]):
            result = self.client.infer("fast", [self.infer_input(shape=shape)], request_id="r-1",
                                       timeout=30_000_000, priority=1)
            self.check(result)
            answer = self.as_json(result.get_response())
            self.assertEqual((answer["model_name"], answer["id"]), ("fast", "r-1"))
        self.assertEqual(result.as_numpy("topic")[2], b"unknown")
        over_v1 = self.engine.request("POST", "/v1/classify", json.dumps({"texts": TEXTS}).encode())[2]
        labels = [r["emotion"]["label"].encode() for r in over_v1["results"]]
        self.assertEqual(list(result.as_numpy("emotion")), labels)

    def test_infer_gives_the_outputs_that_were_asked(self):
        result = self.client.infer("fast", [self.infer_input()],
                                   outputs=[self.module.InferRequestedOutput("topic_prob")])
        self.assertEqual(result.as_numpy("topic_prob").shape, (3, 14))
        self.assertIsNone(result.as_numpy("emotion"))

    def test_infer_refuses_what_is_wrong(self):
        def number():
            tensor = self.module.InferInput("text", [1], "INT32")
            tensor.set_data_from_numpy(np.array([1], dtype=np.int32))
            return tensor

        cases = [
            ("none-such", self.infer_input(), None, "none-such"),
            ("fast", self.infer_input(["a"] * 4, [2, 2]), None, "[n,1]"),
            ("fast", self.infer_input(["a"] * 1025), None, "1024"),
            ("fast", self.infer_input(["a" * 70_000]), None, "65536"),
            ("fast", number(), None, "BYTES"),
            ("fast", self.infer_input(), [self.module.InferRequestedOutput("mood")], "mood"),
            ("fast", self.infer_input(), [self.module.InferRequestedOutput("emotion", class_count=2)], "classification"),
        ]
        for model, tensor, outputs, words in cases:
            with self.assertRaises(InferenceServerException) as failure:
                self.client.infer(model, [tensor], outputs=outputs)
            self.assertIn(words, str(failure.exception))

    def test_statistics(self):
        def stats():
            return self.as_json(self.client.get_inference_statistics("fast"))["model_stats"][0]

        before = int(stats().get("inference_count", 0))
        self.client.infer("fast", [self.infer_input()])
        after = stats()
        self.assertGreaterEqual(int(after["inference_count"]), before + 3)
        self.assertGreaterEqual(int(after["inference_stats"]["success"]["count"]), 1)
        self.assertGreater(int(after["inference_stats"]["success"]["ns"]), 0)
        everything = self.as_json(self.client.get_inference_statistics())["model_stats"]
        self.assertEqual(everything[0]["name"], "fast")

    def test_repository(self):
        index = self.as_json(self.client.get_model_repository_index())
        models = index.get("models", []) if isinstance(index, dict) else index
        self.assertIn(("fast", "READY"), [(m["name"], m["state"]) for m in models])
        self.client.load_model("fast")  # it is served: nothing to do
        with self.assertRaisesRegex(InferenceServerException, "none-such"):
            self.client.load_model("none-such")
        with self.assertRaisesRegex(InferenceServerException, "stays"):
            self.client.unload_model("fast")
        with self.assertRaisesRegex(InferenceServerException, "none-such"):
            self.client.unload_model("none-such")
        self.assertTrue(self.client.is_model_ready("fast"))


class GrpcTest(Cases, unittest.TestCase):
    module = tritonclient.grpc

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.engine = Engine(BINARY, cls.folder.name)
        cls.client = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{cls.engine.grpc_port}")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.engine.stop()
        cls.engine.__exit__()
        cls.folder.cleanup()

    def test_async_infer(self):
        done = threading.Event()
        told = []

        def callback(result, error):
            told.append((result, error))
            done.set()

        self.client.async_infer("fast", [self.infer_input()], callback)
        self.assertTrue(done.wait(60))
        self.assertIsNone(told[0][1])
        self.check(told[0][0])

    def test_stream_infer(self):
        told = []
        done = threading.Event()

        def callback(result, error):
            told.append((result, error))
            if len(told) == 3:
                done.set()

        with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{self.engine.grpc_port}") as client:
            client.start_stream(callback)
            client.async_stream_infer("fast", [self.infer_input()], request_id="1")
            client.async_stream_infer("none-such", [self.infer_input()], request_id="2")
            client.async_stream_infer("fast", [self.infer_input()], request_id="3")
            self.assertTrue(done.wait(60))
            client.stop_stream()
        self.check(told[0][0])
        self.assertIn("none-such", str(told[1][1]))
        self.assertEqual(told[2][0].get_response().id, "3")

    def test_a_deadline_that_has_passed(self):
        with self.assertRaises(InferenceServerException) as failure:
            self.client.infer("fast", [self.infer_input()], client_timeout=1e-6)
        self.assertEqual(failure.exception.status(), "StatusCode.DEADLINE_EXCEEDED")


class HttpTest(Cases, unittest.TestCase):
    module = tritonclient.http

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.engine = Engine(BINARY, cls.folder.name, "--no-grpc")
        cls.client = tritonclient.http.InferenceServerClient(f"127.0.0.1:{cls.engine.port}", concurrency=4)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.engine.stop()
        cls.engine.__exit__()
        cls.folder.cleanup()

    def test_async_infer(self):
        requests = [self.client.async_infer("fast", [self.infer_input()]) for _ in range(8)]
        for request in requests:
            self.check(request.get_result(timeout=60))

    def test_json_and_compression(self):
        outputs = [self.module.InferRequestedOutput(name, binary_data=False)
                   for name in ("emotion", "topic", "emotion_prob", "topic_prob")]
        self.check_json(self.client.infer("fast", [self.infer_input(binary_data=False)], outputs=outputs))
        self.check(self.client.infer("fast", [self.infer_input()], request_compression_algorithm="gzip"))

    def check_json(self, result):
        self.assertEqual(result.as_numpy("emotion").shape, (3,))
        self.assertEqual(result.as_numpy("topic_prob").shape, (3, 14))

    def test_timeout_header(self):
        body = json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["好"]}]}).encode()
        path = "/v2/models/fast/infer"
        self.assertEqual(self.engine.request("POST", path, body, {"x-timeout-ms": "30000"})[0], 200)
        status, _, answer = self.engine.request("POST", path, body, {"x-timeout-ms": "soon"})
        self.assertEqual(status, 400)
        self.assertIn("x-timeout-ms", answer["error"])
        self.assertEqual(self.engine.request("POST", "/v2/models/fast/infer", b"{", {})[0], 400)
        self.assertEqual(set(self.engine.request("GET", "/v2/nothing")[2]), {"error"})
        self.assertEqual(self.engine.request("POST", "/v1/classify", b'{"texts":["x"]}', {"x-timeout-ms": "-1"})[0], 400)


if __name__ == "__main__":
    unittest.main(verbosity=2)
