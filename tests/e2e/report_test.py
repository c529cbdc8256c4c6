# SPDX-License-Identifier: Apache-2.0
"""Reports through the real program: the command on a data folder and on a running engine, the API, and scheduled ones
through every sort of channel, once each over restarts."""

import csv
import datetime
import email
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from channel_standins import MailServer, Robots  # noqa: E402
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
SECONDS = 60  # a bound, never a wait that a passing test sits out
HOSTILE = "<script>alert(1)</script>\" onclick=\"x' & =1+1 退款"


def command(*arguments):
    return subprocess.run([BINARY, "report", *arguments], capture_output=True, text=True)


class ReportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        now = datetime.datetime.now(datetime.timezone.utc)
        posts = cls.path("posts.ndjson")
        start = (now - datetime.timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        subprocess.run(
            [BINARY, "simulate", "--minutes", "20", "--rate", "10", "--start", start, "--output", posts], check=True
        )
        hostile = cls.path("hostile.ndjson")
        with open(hostile, "w") as file:
            for i in range(30):
                time = now - datetime.timedelta(seconds=300 - i)
                post = {"id": f"h{i}", "text": HOSTILE, "author": HOSTILE, "region": HOSTILE, "reposts": 10**9 - i}
                file.write(json.dumps({**post, "url": "javascript:alert(1)", "time": time.isoformat()}) + "\n")
        cls.data = cls.path("data")
        subprocess.run(
            [BINARY, "replay", posts, hostile, "--data-dir", cls.data, "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def test_a_page_and_figures_of_a_stopped_engine(self):
        page, figures, tables = self.path("a.html"), self.path("a.json"), self.path("a")
        run = command("--data-dir", self.data, "--output", page, "--json", figures, "--csv", tables)
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(page) as file:
            html = file.read()
        self.assertIn("舆情报告 · 全部话题", html)
        self.assertIn("&lt;script&gt;alert(1)", html)
        for bad in ("<script", "javascript:", '" onclick="'):
            self.assertNotIn(bad, html)
        with open(figures) as file:
            data = json.load(file)
        self.assertGreater(data["sums"]["posts"], 10_000)
        self.assertEqual(sum(point["posts"] for point in data["points"]), data["sums"]["posts"])
        self.assertTrue(data["alerts"] and data["regions"] and data["terms"] and data["accounts"])
        with open(os.path.join(tables, "series.csv"), encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(sum(int(row["posts"]) for row in rows), data["sums"]["posts"])
        self.assertEqual(len(os.listdir(tables)), 8)

    def test_says_what_is_wrong(self):
        for arguments, words in [
            (["--topic", "nonsense"], "finance (财经)"),
            (["--since", "9d", "--until", "8d"], "the store has posts from"),
            (["--since", "soon"], "24h"),
            (["--since", "1h", "--until", "2h"], "period"),
            (["--time-zone", "Mars/X"], "Mars/X"),
        ]:
            run = command("--data-dir", self.data, "--output", self.path("x.html"), *arguments)
            self.assertEqual(run.returncode, 1, arguments)
            self.assertIn(words, run.stderr)
        self.assertFalse(os.path.exists(self.path("x.html")))
        self.assertIn("--output", command("--data-dir", self.data).stderr)
        self.assertIn("--data-dir", command("--data-dir", self.path("none"), "--output", "-").stderr)

    def test_of_a_running_engine(self):
        data = self.path("running")
        shutil.copytree(self.data, data)
        with Engine(BINARY, data, "--no-grpc", "--model", "none") as engine:
            url = f"http://127.0.0.1:{engine.port}"
            busy = command("--data-dir", data, "--output", "-")
            self.assertEqual(busy.returncode, 1)
            self.assertIn("--url", busy.stderr)
            run = command("--url", url, "--output", self.path("r.html"), "--lang", "en", "--csv", self.path("r"))
            self.assertEqual(run.returncode, 0, run.stderr)
            with open(self.path("r.html")) as file:
                self.assertIn("Public opinion: all topics", file.read())
            self.assertEqual(len(os.listdir(self.path("r"))), 8)
            self.assertIn("a key such as", command("--url", url, "--topic", "x y", "--output", "-").stderr)

            status, headers, page = engine.request("GET", "/v1/report?since=2h")
            self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertIn("sandbox", headers["Content-Security-Policy"])
            self.assertNotIn(b"<script", page)
            figures = engine.get("/v1/report", format="json", topic="*@*")
            status, headers, table = engine.request("GET", "/v1/report?format=csv&table=emotions")
            self.assertEqual((status, headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
            rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
            self.assertEqual([row["emotion"] for row in rows], [e["name"] for e in figures["emotions"]])
            for query, wanted in [
                ("format=pdf", 400),
                ("topic=nonsense", 400),
                ("since=x", 400),
                ("format=csv&table=x", 400),
                ("lang=fr", 400),
                ("since=9d&until=8d", 404),
            ]:
                self.assertEqual(engine.request("GET", "/v1/report?" + query)[0], wanted, query)


class ScheduleTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.robots = Robots()
        self.mail = MailServer(self.folder.name)

    def tearDown(self):
        self.robots.stop()
        self.mail.stop()
        self.folder.cleanup()

    def start(self):
        path = os.path.join(self.folder.name, "tidewatch.toml")
        with open(path, "w") as out:
            out.write(
                f"""
[[channel]]
type = "slack"
name = "slack"
url = "{self.robots.url('/services/T0/B0/XX')}"

[[channel]]
type = "email"
name = "mail"
host = "localhost"
port = {self.mail.port}
user = "desk"
password = "pass word"
from = "Tidewatch <tidewatch@example.org>"
to = ["director@example.org"]
ca_file = "{self.mail.certificate}"

[[subscriber]]
name = "nobody"
channels = ["slack"]
keys = ["#none#"]

[[reports]]
name = "日报"
at = "08:30"
channels = ["mail", "slack"]
"""
            )
        return Engine(BINARY, self.data(), "--model", "none", "--no-grpc", "--config", path)

    def data(self):
        return os.path.join(self.folder.name, "data")

    def pages(self):
        folder = os.path.join(self.data(), "reports", "日报")
        return sorted(name for name in os.listdir(folder) if name.endswith(".html"))

    def test_missed_reports_are_made_at_start_and_told_once(self):
        with self.start() as engine:  # a new schedule owes nothing
            self.assertEqual(engine.stop(), 0)
        self.assertEqual(self.pages(), [])
        # As if the engine had been away for two days and an hour.
        long_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2, hours=1)
        done = os.path.join(self.data(), "reports", "日报", "done")
        with open(done, "w") as out:
            out.write(long_ago.strftime("%Y-%m-%dT%H:%M:%SZ\n"))
        with self.start() as engine:
            mails = [self.mail.mails.get(timeout=SECONDS) for _ in range(2)]
            words = [self.robots.taken.get(timeout=SECONDS) for _ in range(2)]
            made = self.pages()
            self.assertIn(len(made), (2, 3))  # 08:30 may have been within the last hour
            for _ in range(len(made) - 2):
                self.mail.mails.get(timeout=SECONDS)
                self.robots.taken.get(timeout=SECONDS)
            self.assertEqual({robot for robot, _ in words}, {"slack"})
            self.assertIn("日报", json.dumps(words, ensure_ascii=False))
            # What was sent but is not marked yet would rightly be sent again.
            end = time.monotonic() + SECONDS
            while engine.get("/v1/outbox")["messages"]:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            engine.kill()
        data = mails[0]["data"]
        message = email.message_from_bytes(data if isinstance(data, bytes) else data.encode())
        text, page = message.get_payload()
        self.assertIn("这段时间没有帖子", text.get_payload(decode=True).decode())
        self.assertIn(page.get_filename(), made)
        self.assertIn("<!doctype html>", page.get_payload(decode=True).decode())
        with self.start() as engine:  # after a kill -9: nothing is made or told again
            self.assertEqual(self.pages(), made)
            self.assertEqual(engine.get("/v1/outbox")["messages"], [])
            self.assertEqual(engine.stop(), 0)
        self.assertTrue(self.mail.mails.empty() and self.robots.taken.empty())

    def test_says_what_is_wrong_with_a_schedule(self):
        for text, words in [
            ('[[reports]]\nname = "a"\nat = "25:00"\n', "08:30"),
            ('[[reports]]\nname = "a/b"\n', "without '/'"),
            ('[[reports]]\nname = "a"\nevery = "hour"\n', '"day" or "week"'),
            ('[[reports]]\nname = "a"\nweekday = "monday"\n', 'every = "week"'),
            ('[[reports]]\nname = "a"\nchannels = ["x"]\n', "names the channel 'x'"),
            ('[[reports]]\nname = "a"\n[[reports]]\nname = "a"\n', "is taken"),
        ]:
            path = os.path.join(self.folder.name, "wrong.toml")
            with open(path, "w") as out:
                out.write(text)
            with self.assertRaises(RuntimeError) as failure:
                Engine(BINARY, self.data(), "--model", "none", "--config", path)
            self.assertIn(words, str(failure.exception))


if __name__ == "__main__":
    unittest.main(verbosity=2)
