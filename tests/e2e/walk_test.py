# SPDX-License-Identifier: Apache-2.0
"""A new user's walk: the commands of README.md, "Your own posts in five minutes", as they stand there, to an alert and
a report on a CSV of their own. Only the ports and what is built already are other than written."""

import csv
import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS = 120  # a bound, never a wait that a passing test sits out
HEADING = {"README.md": "## Your own posts in five minutes", "README.zh.md": "## 五分钟接入自己的帖子"}


def commands_of(readme):
    """The commands of the first block of shell after the heading, without their comments."""
    with open(os.path.join(ROOT, readme), encoding="utf-8") as file:
        section = file.read().split(HEADING[readme], 1)[1]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL).group(1)
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def write_csv(path):
    """Half an hour of a quiet feed, then many people with one complaint."""
    now = datetime.datetime.now(datetime.timezone.utc)
    start = now - datetime.timedelta(minutes=30)
    begin = start + datetime.timedelta(minutes=28)
    rows = [(start + datetime.timedelta(seconds=4 * i), f"平常的一天 {i}", f"q{i % 50}") for i in range(420)]
    rows += [
        (begin + datetime.timedelta(seconds=i / 25), f"退款三个月了还不到账,太气人了 #退款难# 第{i}次投诉", f"用户{i}")
        for i in range(2500)
    ]
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "text", "time", "author", "region"])
        for i, (when, text, author) in enumerate(rows):
            out.writerow([i, text, when.isoformat(timespec="seconds"), author, "广东"])


class WalkTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.server = None
        self.environment = {**os.environ, "PATH": os.path.dirname(BINARY) + os.pathsep + os.environ["PATH"]}
        self.port = free_port()
        write_csv(os.path.join(self.folder.name, "my.csv"))

    def tearDown(self):
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(timeout=60)
            self.server.stdout.close()
        self.folder.cleanup()

    def run_one(self, command):
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder.name, env=self.environment, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def as_here(self, command):
        """The ports are free ones; a program without `import` yet is helped out by the client's example."""
        command = command.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        if command.startswith("tidewatch import"):
            listed = subprocess.run([BINARY, "--help"], capture_output=True, text=True).stdout
            if not re.search(r"^  import ", listed, re.MULTILINE):
                print("this program has no `import`: clients/python/examples/send_csv.py stands in", file=sys.stderr)
                example = os.path.join(ROOT, "clients", "python", "examples", "send_csv.py")
                self.environment["PYTHONPATH"] = os.path.join(ROOT, "clients", "python", "src")
                return f"'{sys.executable}' '{example}' my.csv http://127.0.0.1:{self.port}"
        return command

    def serve(self, command):
        self.server = subprocess.Popen(
            ["bash", "-c", "exec " + command.rstrip("& ")],
            cwd=self.folder.name,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self.server.stdout.readline()
        self.assertIn(f"listening on http://127.0.0.1:{self.port}", line)

    def set_ports(self):
        """As a user would: takes the sign before the two settings away."""
        path = os.path.join(self.folder.name, "tidewatch.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for standard, port in (("#port = 8000", self.port), ("#port = 8001", free_port())):
            self.assertIn(standard, text)
            text = text.replace(standard, f"port = {port}", 1)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def until_alert(self, command):
        end = time.monotonic() + SECONDS
        while not (answer := json.loads(self.run_one(command)))["alerts"]:
            self.assertLess(time.monotonic(), end, "no alert on the wave")
            time.sleep(0.2)
        return answer["alerts"]

    def test_from_clone_to_an_alert_on_their_own_csv(self):
        commands = commands_of("README.md")
        self.assertEqual(commands, commands_of("README.zh.md"))
        self.assertLess(len(commands), 10)
        alerts = None
        for command in commands:
            if command.startswith(("git clone", "export PATH")):
                continue  # it runs from a clone, with this program first on the PATH
            if command == "make build":
                with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
                    self.assertIn("\nbuild: ", file.read())
                continue
            here = self.as_here(command)
            if "/v1/alerts" in here:
                alerts = self.until_alert(here)
            elif here.endswith("&"):
                self.serve(here)
            else:
                self.run_one(here)
                if " init" in here:
                    self.set_ports()
        self.assertTrue(any("退款" in json.dumps(alert, ensure_ascii=False) for alert in alerts), alerts)
        with open(os.path.join(self.folder.name, "report.html"), encoding="utf-8") as file:
            self.assertIn("退款", file.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
