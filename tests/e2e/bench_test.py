# SPDX-License-Identifier: Apache-2.0
"""`tidewatch bench serve` and `bench infer`: that every way works and that the figures add up. No speed is asserted."""

import csv
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from engine import Engine, binary_from_environment

BINARY = binary_from_environment()
SHORT = ["--rate", "200", "--seconds", "2", "--warmup-seconds", "0.5"]


def bench(*arguments, status=0):
    done = subprocess.run([BINARY, "bench", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done


def serve(*arguments):
    return json.loads(bench("serve", *arguments, "--json").stdout)


class BenchServeTest(unittest.TestCase):
    def check(self, found, posts=400):
        self.assertLess(abs(found["offered"] - posts), 5 * posts**0.5 + 1)  # Poisson: five deviations
        self.adds_up(found)
        self.assertEqual(found["failed"], 0)
        self.assertEqual(found["lost"], 0)
        self.assertAlmostEqual(found["offered_per_s"], found["offered"] / found["seconds"], 2)
        self.assertAlmostEqual(found["goodput_per_s"], found["good"] / found["seconds"], 2)
        latency = found["latency_ms"]
        self.assertGreater(latency["p50"], 0)
        self.assertEqual(sorted(latency.values()), [latency[p] for p in ("p50", "p95", "p99", "p999", "max")])
        self.assertGreater(found["cpu_seconds"], 0)
        measured = [phase for phase in found["phases"] if phase["measured"]]
        for key in ("offered", "good", "late", "refused", "failed", "lost"):
            self.assertEqual(found[key], sum(phase[key] for phase in measured), key)
            self.assertEqual(sum(phase[key] for phase in found["phases"]),
                             sum(step[key] for step in found["timeline"]), key)
        for part in found["phases"] + found["timeline"]:
            self.adds_up(part)
        self.assertLessEqual(found["messages"], sum(phase["offered"] for phase in found["phases"]))
        self.assertGreater(found["messages"], 0)

    def adds_up(self, counts):
        self.assertEqual(counts["offered"], counts["good"] + counts["late"] + counts["refused"] + counts["failed"] +
                         counts["lost"])
        self.assertEqual(counts["accepted"], counts["good"] + counts["late"] - counts["expired"])

    def test_ingest_every_way(self):
        for via in ("inprocess", "http", "grpc"):
            with self.subTest(via=via):
                found = serve(*SHORT, "--via", via)
                self.check(found)
                self.assertGreater(found["disk_bytes"], 0)
                self.assertGreater(found["cache_hits"] + found["cache_misses"], 0)
                self.assertEqual(found["duplicates"], "real")
                self.assertAlmostEqual(found["texts"]["empty_share"], 0.4, 1)

    def test_classify(self):
        for via in ("inprocess", "grpc", "http"):
            with self.subTest(via=via):
                found = serve(*SHORT, "--via", via, "--path", "classify", "--duplicates", "0", "--no-cache")
                self.check(found)
                self.assertEqual(found["cache_hits"], 0)
                self.assertLess(abs(found["texts"]["tokens_mean"] - 96), 3)
                self.assertGreaterEqual(found["texts"]["tokens_min"], 15)
                self.assertLessEqual(found["texts"]["tokens_max"], 512)

    def test_a_running_server_and_nothing_lost(self):
        with tempfile.TemporaryDirectory() as data, Engine(BINARY, data, "--model", "none") as engine:
            found = serve(*SHORT, "--target", f"http://127.0.0.1:{engine.port}", "--pid", str(engine.process.pid))
            self.check(found)
            accepted = sum(phase["accepted"] for phase in found["phases"])
            _, _, text = engine.request("GET", "/metrics")
            text = text.decode() if isinstance(text, bytes) else text
            stored = re.search(r'tidewatch_posts_total\{result="accepted"\} (\d+)', text)
            self.assertEqual(int(stored[1]), accepted)

    def test_a_kserve_server(self):
        with tempfile.TemporaryDirectory() as data, Engine(BINARY, data, "--model", "fast") as engine:
            target = f"kserve://127.0.0.1:{engine.grpc_port}"
            for batch in ("1", "16"):
                with self.subTest(batch=batch):
                    found = serve(*SHORT, "--target", f"{target}/fast", "--duplicates", "0", "--kserve-batch", batch)
                    self.check(found)
                    self.assertEqual(found["path"], "classify")
            self.assertIn("no model 'slow' ready", bench("serve", "--target", f"{target}/slow", status=1).stderr)

    def test_verify_and_samples(self):
        with tempfile.TemporaryDirectory() as folder:
            samples = pathlib.Path(folder) / "samples.csv"
            found = serve(*SHORT, "--via", "inprocess", "--verify", "--samples", str(samples), "--model", "none")
            self.check(found)
            accepted = sum(phase["accepted"] for phase in found["phases"])
            self.assertEqual(found["verify"], {"acknowledged": accepted, "missing": 0, "stored": accepted})
            rows = list(csv.DictReader(samples.read_text(encoding="utf-8").splitlines()))
            self.assertGreaterEqual(len(rows), 2)
            self.assertEqual(int(rows[-1]["accepted"]), accepted)
            self.assertGreater(float(rows[-1]["resident_bytes"]), 0)

    def test_a_trace_is_played_as_it_stands(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = pathlib.Path(folder) / "trace.tsv"
            trace.write_text("".join(f"{i / 100}\t第{i}条微博\n" for i in range(100)), encoding="utf-8")
            found = serve("--trace", str(trace), "--via", "grpc", "--model", "none")
            self.assertEqual(found["offered"], 100)
            self.adds_up(found)
            self.assertEqual(found["accepted"], 100)

    def test_overload_and_sweep_report_their_parts(self):
        found = serve("--rate", "200", "--seconds", "1", "--via", "inprocess", "--model", "none",
                      "--overload", "1,3", "--recovery-seconds", "1")
        self.assertEqual([part["name"] for part in found["overload"]], ["1x", "3x"])
        self.assertAlmostEqual(found["overload"][1]["rate"], 600)
        self.assertEqual([phase["name"] for phase in found["phases"]],
                         ["warm-up", "1x", "after 1x", "3x", "after 3x"])
        self.adds_up(found)

    def test_wrong_usage_is_said(self):
        for arguments, words in [
            (["--via", "pigeon"], "pigeon"),
            (["--duplicates", "2"], "--duplicates 2: write"),
            (["--target", "127.0.0.1:8000"], "--target 127.0.0.1:8000: write"),
            (["--rate", "0"], "--rate"),
            (["--swaps", "3"], "--swap-engines"),
        ]:
            with self.subTest(arguments=arguments):
                self.assertIn(words, bench("serve", *arguments, status=2).stderr)
        # A port that nobody listens on: one clear error, not a load of failures.
        self.assertIn("cannot connect to 127.0.0.1:1",
                      bench("serve", "--target", "http://127.0.0.1:1", status=1).stderr)
        self.assertIn("cannot be read", bench("serve", "--trace", "/nowhere", status=1).stderr)


class BenchInferTest(unittest.TestCase):
    def test_says_what_the_backend_does_alone(self):
        found = json.loads(bench("infer", "--model", "fast", "--seconds", "0.5", "--batch", "8", "--json").stdout)
        self.assertEqual(found["batch"], 8)
        self.assertGreater(found["texts_per_second"], 0)
        self.assertAlmostEqual(found["tokens_per_second"] / found["texts_per_second"], found["tokens_mean"], delta=15)
        self.assertIn("none", bench("infer", "--model", "none", status=1).stderr)


if __name__ == "__main__":
    unittest.main()
