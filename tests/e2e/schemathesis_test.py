# SPDX-License-Identifier: Apache-2.0
"""The served OpenAPI document against the real program: schemathesis sends what the document allows, and what it does
not, and finds no undocumented answer and no 5xx that is not said. Fixed seed, bounded number of requests."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemathesis")


def fill(folder):
    """Posts, counts and alerts of ten minutes with planted events, so that there are ids to ask for."""
    posts = os.path.join(folder, "posts.ndjson")
    data = os.path.join(folder, "data")
    subprocess.run([BINARY, "simulate", "--minutes", "10", "--rate", "10", "--output", posts], check=True)
    subprocess.run([BINARY, "replay", posts, "--data-dir", data, "--json"], check=True, stdout=subprocess.DEVNULL)
    return data


class SchemathesisTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.engine = Engine(BINARY, fill(cls.folder.name), "--no-grpc")
        assert cls.engine.get("/v1/alerts")["alerts"], "the replay gave no alert to ask for"

    @classmethod
    def tearDownClass(cls):
        cls.engine.kill()
        cls.engine.__exit__()
        cls.folder.cleanup()

    def test_every_answer_is_documented(self):
        report = os.path.join(self.folder.name, "report.json")
        program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
        run = subprocess.run(
            [program, "--config-file", os.path.join(FOLDER, "schemathesis.toml")]
            + ["run", f"http://127.0.0.1:{self.engine.port}/openapi.json"]
            + ["--max-examples", "12", "--request-timeout", "20", "--no-shrink"]
            + ["--report", "json", "--report-json-path", report],
            cwd=self.folder.name,
            env={**os.environ, "PYTHONPATH": FOLDER, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 0, run.stdout[-20000:] + run.stderr[-4000:])
        # Every operation was asked, but for the stream and the document itself, which it reads first.
        document = self.engine.get("/openapi.json")
        count = sum(len(item) for item in document["paths"].values())
        self.assertIn(f"Tested: {count - 2}", run.stdout)

    def test_the_stream_is_as_documented(self):
        said = self.engine.get("/openapi.json")["paths"]["/v1/live"]["get"]["responses"]
        connection = http.client.HTTPConnection("127.0.0.1", self.engine.port, timeout=30)
        connection.request("GET", "/v1/live", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertIn(answer.getheader("Content-Type").split(";")[0], said["200"]["content"])
        connection.close()
        status, headers, problem = self.engine.request("GET", "/v1/live", headers={"Accept": "image/png"})
        self.assertEqual(status, 406, problem)
        self.assertIn(headers["Content-Type"].split(";")[0], said["406"]["content"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
