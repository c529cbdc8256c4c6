# SPDX-License-Identifier: Apache-2.0
"""Engine files, swaps, rollbacks and canaries through the real program, over HTTP and the command line."""

import json
import os
import shutil
import re
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
MODELS = os.path.join(os.path.dirname(BINARY), "..", "share", "tidewatch", "models")
ANY_SPEED = {"agreement_min": 0.9, "latency_ratio_max": 0, "accuracy_drop_max": 0.05}


def run(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=300)


def metric(text, series):
    """The value of one of the engine's own metrics."""
    (value,) = (line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(f"tidewatch_{series} "))
    return float(value)


def fields(data, begin, end):
    """The fields of a protobuf message: number, and where its bytes begin and end."""

    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                return value, at

    while begin < end:
        key, begin = varint(begin)
        if key & 7 == 0:
            _, stop = varint(begin)
        elif key & 7 == 2:
            length, begin = varint(begin)
            stop = begin + length
        else:
            stop = begin + (8 if key & 7 == 1 else 4)
        yield key >> 3, begin, stop
        begin = stop


def worse_onnx(source, target):
    """The model with the halves of its largest table (the embeddings) exchanged: it loads, and knows nothing."""
    with open(source, "rb") as file:
        data = bytearray(file.read())
    # ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto.raw_data = 9
    tables = [
        (c_end - c, c, c_end)
        for a_number, a, a_end in fields(data, 0, len(data))
        if a_number == 7
        for b_number, b, b_end in fields(data, a, a_end)
        if b_number == 5
        for c_number, c, c_end in fields(data, b, b_end)
        if c_number == 9
    ]
    _, begin, end = max(tables)
    middle = begin + (end - begin) // 4 * 2
    data[begin:end] = data[middle:end] + data[begin:middle]
    with open(target, "wb") as file:
        file.write(data)


class SwapTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.TemporaryDirectory()
        cls.files = cls.made.name
        for name in ("v2", "v3"):
            built = run("build-engine", "--model", "fast", "--output", f"{cls.files}/{name}.engine", "--json")
            assert built.returncode == 0, built.stderr
            report = json.loads(built.stdout)
            assert report["version"] == name and report["kind"] == "onnx", report
            assert report["accuracy"][0]["agreement"] == 1, report
        onnx = f"{cls.files}/worse.onnx"
        worse_onnx(f"{MODELS}/fast/model.onnx", onnx)
        built = run("build-engine", "--model", onnx, "--like", "fast", "--output", f"{cls.files}/worse.engine")
        assert built.returncode == 0, built.stderr
        with open(f"{cls.files}/v2.engine", "rb") as file:
            whole = bytearray(file.read())
        whole[-100] ^= 1
        with open(f"{cls.files}/corrupt.engine", "wb") as file:
            file.write(whole)

    @classmethod
    def tearDownClass(cls):
        cls.made.cleanup()

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.data = os.path.join(self.folder.name, "data")
        os.makedirs(os.path.join(self.data, "engines"))
        for name in os.listdir(self.files):
            if name.endswith(".engine"):
                shutil.copy(os.path.join(self.files, name), os.path.join(self.data, "engines", name))
        # Nothing here may depend on how fast the machine is.
        self.config = os.path.join(self.folder.name, "tidewatch.toml")
        with open(self.config, "w") as file:
            file.write("[swap]\nlatency_ratio_max = 0\n[canary]\nlatency_ratio_max = 0\n")

    def start(self, *arguments):
        engine = Engine(BINARY, self.data, "--model", "fast", "--config", self.config, *arguments)
        self.addCleanup(engine.__exit__)
        return engine

    def ask(self, engine, method, path, body=None, expect=200):
        data = None if body is None else json.dumps(body).encode()
        status, _, answer = engine.request(method, path, data, {"Content-Type": "application/json"})
        self.assertEqual(status, expect, answer)
        return answer

    def model(self, engine):
        return engine.get("/v1/models")["models"][0]

    def backend_of(self, text, version):
        """Which backend this machine runs a version of fast with."""
        (backend,) = set(re.findall(rf'model_info{{model="fast",version="{version}",.*backend="(\w+)"', text))
        return backend

    def test_swaps_while_posts_come_and_remembers(self):
        engine = self.start()
        url = f"http://127.0.0.1:{engine.port}"
        failures, sent, stop = [], [0], threading.Event()

        def send():
            while not stop.is_set():
                n = sent[0]
                posts = [{"id": f"p{n}-{i}", "text": f"第{n}批第{i}条,今天天气不错"} for i in range(20)]
                status, _, answer = engine.post_lines(posts)
                if status != 200 or answer["accepted"] != 20:
                    failures.append((status, answer))
                sent[0] += 1

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for name in ("v2", "v3", "v2"):
                done = run("swap", "fast", f"{name}.engine", "--url", url, "--json")
                self.assertEqual(done.returncode, 0, done.stderr)
                answer = json.loads(done.stdout)
                self.assertEqual(answer["to"], {"version": name, "engine": f"{name}.engine"})
                self.assertGreater(answer["times_ms"]["first_answer"], 0)
                self.assertTrue(answer["old_freed"])
                self.assertEqual(answer["figures"]["emotion"]["agreement"], 1)
                self.assertEqual(self.model(engine)["version"], name)
        finally:
            stop.set()
            sender.join()
        self.assertEqual(failures, [])
        self.assertGreater(sent[0], 0)
        text = engine.get("/metrics").decode()
        for version, loaded in (("v2", 1), ("v3", 0)):
            backend = self.backend_of(text, version)
            series = f'model_info{{model="fast",version="{version}",precision="fp32",backend="{backend}"}}'
            self.assertEqual(metric(text, series), loaded)
        self.assertEqual(metric(text, 'swaps_total{result="switched"}'), 3)
        self.assertEqual(metric(text, 'model_memory_bytes{model="fast",version="v3"}'), 0)

        # Back, across a restart, and back again.
        self.assertEqual(engine.stop(), 0)
        engine = self.start()
        self.assertEqual(self.model(engine)["version"], "v2")
        self.assertEqual(self.model(engine)["rollback_to"], "v3.engine")
        done = run("swap", "fast", "--rollback", "--url", f"http://127.0.0.1:{engine.port}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.model(engine)["version"], "v3")
        answer = self.ask(engine, "POST", "/v1/models/fast/rollback")
        self.assertEqual(answer["to"]["engine"], "v2.engine")
        self.assertEqual(engine.stop(), 0)

        # A damaged one leaves the bundled model, loudly.
        shutil.copy(
            os.path.join(self.data, "engines", "corrupt.engine"),
            os.path.join(self.data, "engines", "v2.engine"),
        )
        engine = self.start()
        self.assertIsNone(self.model(engine)["engine"])
        self.assertTrue(any("CANNOT BE TAKEN UP" in line for line in engine.stderr_lines))

    def test_refuses_what_is_wrong(self):
        engine = self.start()
        before = self.model(engine)
        for name, status, says in [
            ("worse.engine", 409, "accuracy falls"),
            ("corrupt.engine", 500, "sha256"),
            ("nothing.engine", 404, "no such engine"),
            ("../engines/v2.engine", 400, "paths are refused"),
            (os.path.join(self.data, "engines", "v2.engine"), 400, "paths are refused"),
        ]:
            with self.subTest(name=name):
                answer = self.ask(engine, "POST", "/swap-engine", {"new_engine": name}, status)
                self.assertIn(says, answer["detail"])
                self.assertEqual(self.model(engine), before)
        answer = self.ask(engine, "POST", "/swap-engine", {"new_engine": "worse.engine"}, 409)
        self.assertLess(answer["figures"]["emotion"]["agreement"], 0.9)
        self.assertEqual(answer["limits"]["accuracy_drop_max"], 0.05)
        self.assertTrue(answer["reasons"])
        self.ask(engine, "POST", "/v1/models/large/swap", {"new_engine": "v2.engine"}, 404)
        self.ask(engine, "POST", "/v1/models/fast/rollback", None, 409)
        for arguments in (["fast", "../v2.engine"], ["fast", "/etc/passwd"], ["fast", "worse.engine"], ["fast"]):
            done = run("swap", *arguments, "--url", f"http://127.0.0.1:{engine.port}")
            self.assertEqual(done.returncode, 1, arguments)
            self.assertTrue(done.stderr.startswith("tidewatch: "), done.stderr)
        unreachable = run("swap", "fast", "v2.engine", "--url", "http://127.0.0.1:1")
        self.assertEqual(unreachable.returncode, 1)
        self.assertIn("is `tidewatch serve` running", unreachable.stderr)

    def test_a_worse_canary_rolls_itself_back(self):
        engine = self.start()
        started = self.ask(
            engine,
            "POST",
            "/v1/models/fast/canary",
            {"new_engine": "worse.engine", "percent": 50, "mode": "shadow"},
        )
        self.assertEqual(started["state"], "running")
        # The probe set needs no traffic; each look at the state is a request, not a wait.
        for _ in range(100_000):
            state = self.ask(engine, "GET", "/v1/models/fast/canary")
            if state["state"] != "running":
                break
        self.assertEqual(state["state"], "rolled_back", state)
        self.assertIn("accuracy", state["reason"])
        self.assertIsNone(self.model(engine)["engine"])
        text = engine.get("/metrics").decode()
        self.assertEqual(metric(text, 'canaries_total{result="rolled_back"}'), 1)
        live, worse = (
            metric(text, f'canary_accuracy{{model="fast",version="{version}",task="emotion"}}')
            for version in (state["live_version"], "worse")
        )
        self.assertGreater(live, worse)
        # What it reads is told before the change of models is quite over: until then it is 409.
        status = 409
        while status == 409:
            status, _, _ = engine.request("DELETE", "/v1/models/fast/canary", None, {"Content-Type": "application/json"})
        self.assertEqual(status, 404)

    def test_a_canary_is_promoted_and_rolled_back_by_hand(self):
        engine = self.start()
        self.ask(engine, "GET", "/v1/models/fast/canary", None, 404)
        request = {"new_engine": "v2.engine", "percent": 50}
        self.ask(engine, "POST", "/v1/models/fast/canary", request)
        self.ask(engine, "POST", "/v1/models/fast/canary", request, 409)
        self.ask(engine, "POST", "/swap-engine", {"new_engine": "v3.engine"}, 409)
        self.ask(engine, "POST", "/v1/models/fast/canary", {"new_engine": "v2.engine", "percent": 101}, 400)
        self.ask(engine, "POST", "/v1/models/fast/canary", {"new_engine": "../v2.engine"}, 400)
        texts = [f"今天第{i}次真开心" for i in range(200)]
        answer = self.ask(engine, "POST", "/v1/classify", {"texts": texts})
        self.assertEqual(len(answer["results"]), 200)
        state = self.ask(engine, "GET", "/v1/models/fast/canary")
        self.assertGreater(state["candidate"]["runs"], 0)
        self.assertEqual(self.model(engine)["canary"]["version"], "v2")
        promoted = self.ask(engine, "POST", "/v1/models/fast/canary/promote")
        self.assertEqual(promoted["state"], "promoted")
        self.assertEqual(self.model(engine)["version"], "v2")
        self.ask(engine, "POST", "/v1/models/fast/rollback")
        self.assertIsNone(self.model(engine)["engine"])

        self.ask(engine, "POST", "/v1/models/fast/canary", request)
        self.assertEqual(self.ask(engine, "DELETE", "/v1/models/fast/canary")["state"], "ended")
        self.assertIsNone(self.model(engine)["canary"])


class BuildTest(unittest.TestCase):
    def test_says_what_is_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            output = f"{folder}/v2.engine"
            for arguments, says in [
                (["--model", "auto"], "name one model"),
                (["--model", "nothing"], "no such file"),
                (["--model", f"{MODELS}/fast/model.onnx"], "--like NAME"),
                (["--model", "fast", "--calibration", "x.txt"], "goes with --precision int8"),
            ]:
                with self.subTest(arguments=arguments):
                    built = run("build-engine", "--output", output, *arguments)
                    self.assertEqual(built.returncode, 1, built.stdout)
                    self.assertIn(says, built.stderr)
                    self.assertFalse(os.path.exists(output))

    def test_builds_int8_and_compiled_engines_that_load(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}/engines")
            texts = f"{folder}/texts.txt"
            with open(texts, "w") as file:
                file.writelines(f"第{i}条:{'今天天气真好' * (1 + i % 9)},心情{i % 13}\n" for i in range(600))
            built = run(
                *["build-engine", "--model", "fast", "--precision", "int8", "--calibration", texts],
                *["--allow-drop", "--output", f"{folder}/engines/own8.engine", "--json"],
            )
            self.assertEqual(built.returncode, 0, built.stderr)
            built = run(
                *["build-engine", "--model", "fast", "--backend", "openvino"],
                *["--output", f"{folder}/engines/compiled.engine", "--json"],
            )
            self.assertEqual(built.returncode, 0, built.stderr)
            report = json.loads(built.stdout)
            self.assertEqual(report["kind"], "openvino")
            self.assertIn("openvino", report["compatibility"])
            with Engine(BINARY, folder, "--model", "fast") as engine:
                for name in ("compiled", "own8"):
                    body = {"new_engine": f"{name}.engine", "limits": {**ANY_SPEED, "agreement_min": 0}}
                    body["limits"]["accuracy_drop_max"] = 1
                    status, _, answer = engine.request(
                        "POST", "/swap-engine", json.dumps(body).encode(), {"Content-Type": "application/json"}
                    )
                    self.assertEqual(status, 200, answer)
                    self.assertEqual(engine.get("/v1/models")["models"][0]["version"], name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
