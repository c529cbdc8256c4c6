# SPDX-License-Identifier: Apache-2.0
"""The TensorRT backend where there is no TensorRT: says what is missing, and serves on the CPU.
The environment variable TIDEWATCH names the program.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from engine import Engine

BINARY = os.environ["TIDEWATCH"]
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import build_engine  # noqa: E402


class WithoutTensorRt(unittest.TestCase):
    """An empty folder stands for a machine without the library, whatever this one has."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        os.environ["TIDEWATCH_TENSORRT_DIR"] = cls.folder.name

    @classmethod
    def tearDownClass(cls):
        del os.environ["TIDEWATCH_TENSORRT_DIR"]
        cls.folder.cleanup()

    def run_binary(self, *arguments, text=None):
        return subprocess.run([BINARY, *arguments], input=text, capture_output=True, text=True, timeout=120)

    def test_commands_say_what_is_missing(self):
        for arguments in [["classify", "--backend", "tensorrt", "--model", "base", "-"],
                          ["bench", "infer", "--backend", "tensorrt", "--model", "base"],
                          ["build-engine", "--backend", "tensorrt", "--model", "base", "--precision", "fp16",
                           "--output", f"{self.folder.name}/x.engine"]]:
            with self.subTest(arguments=arguments):
                done = self.run_binary(*arguments, text="你好\n")
                self.assertEqual(done.returncode, 1, done.stdout)
                for part in ("TensorRT was not found", "libnvinfer.so.11", "libnvinfer.so.10", self.folder.name,
                             "TIDEWATCH_TENSORRT_DIR"):
                    self.assertIn(part, done.stderr)
                self.assertFalse(os.path.exists(f"{self.folder.name}/x.engine"))

    def test_a_cpu_has_no_fp16(self):
        for precision in ("fp16", "fp8"):
            done = self.run_binary("build-engine", "--model", "base", "--precision", precision,
                                   "--output", f"{self.folder.name}/x.engine")
            self.assertEqual(done.returncode, 1)
            self.assertIn("needs --backend tensorrt", done.stderr)

    def test_the_server_warns_and_serves_on_the_cpu(self):
        with tempfile.TemporaryDirectory() as data, \
                Engine(BINARY, data, "--model", "auto", "--backend", "tensorrt") as engine:
            status, _, models = engine.request("GET", "/v1/models")
            self.assertEqual(status, 200)
            self.assertIn("native", json.dumps(models))
            self.assertIn("openvino", json.dumps(models))
            status, _, answer = engine.request("POST", "/v1/classify", json.dumps({"texts": ["今天真开心"]}),
                                               {"Content-Type": "application/json"})
            self.assertEqual(status, 200, answer)
            self.assertEqual(len(answer["results"]), 1)
            warned = [line for line in engine.stderr_lines if "serving on the CPU" in line]
            self.assertEqual(len(warned), 1, engine.stderr_lines)
            self.assertIn("libnvinfer.so.10", warned[0])

    def test_python_builds_and_passes_errors_on(self):
        report = build_engine.build_engine("fast", f"{self.folder.name}/v2.engine", tidewatch=BINARY, backend="any")
        self.assertEqual(report["kind"], "onnx")
        self.assertTrue(os.path.exists(f"{self.folder.name}/v2.engine"))
        os.remove(f"{self.folder.name}/v2.engine")
        with self.assertRaisesRegex(build_engine.BuildError, "TensorRT was not found"):
            build_engine.build_engine("base", f"{self.folder.name}/v3.engine", tidewatch=BINARY, backend="tensorrt",
                                      precision="fp16")


if __name__ == "__main__":
    unittest.main()
