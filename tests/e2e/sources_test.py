# SPDX-License-Identifier: Apache-2.0
"""Connectors through the real program, against stand-ins that speak the real protocols: what is new
comes once, over drops, garbage and kill -9 of the engine."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402
from source_standins import FeedServer, make_certificate  # noqa: E402
from source_testing import source_of, stored_ids, stored_rows, until  # noqa: E402

BINARY = binary_from_environment()


class SourceTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.data = os.path.join(self.folder.name, "data")

    def start(self, *lines):
        path = os.path.join(self.folder.name, "tidewatch.toml")
        with open(path, "w") as out:
            out.write("\n".join(["[[sources]]", 'name = "feed"', *lines]))
        return Engine(BINARY, self.data, "--model", "none", "--config", path)

    def serve(self, server):
        self.addCleanup(server.stop)
        return server

    def assert_once(self, ids):
        self.assertEqual(sorted(stored_ids(self.data)), sorted(ids))


class FeedTest(SourceTest):
    def config(self, server, path="/feed", *more):
        return ('type = "rss"', f'urls = ["{server.url(path)}"]', "interval_seconds = 1", *more)

    def test_what_is_new_comes_once(self):
        server = self.serve(FeedServer())
        server.items = [f"消息{n}" for n in range(20)]
        with self.start(*self.config(server, "/moved")) as engine:
            until("the first items", lambda: len(stored_ids(self.data)) == 20)
            until("a poll that brings nothing", lambda: len(server.asked) > 4)
            server.items.append("新消息")
            until("the new item", lambda: len(stored_ids(self.data)) == 21)
            state = source_of(engine, "feed")
            self.assertEqual((state["state"], state["errors"], state["duplicates"]), ("running", 0, 0))
            text, source, url = stored_rows(self.data, "text, source, url")[-1]
            self.assertEqual((text, source, url), ("新消息\n正文", "feed", "https://news.example/20"))
            engine.kill()
        server.items.append("死后的消息")
        with self.start(*self.config(server, "/moved")) as engine:
            until("what came meanwhile", lambda: len(stored_ids(self.data)) == 22)
            self.assertEqual(source_of(engine, "feed")["duplicates"], 0)
            self.assertEqual(engine.stop(), 0)
        self.assert_once([f"feed:item-{n}" for n in range(22)])

    def test_garbage_and_errors_are_passed(self):
        server = self.serve(FeedServer())
        server.items = ["一"]
        server.script = [(500, b"oops", {}), (200, b"<html>no feed</html>", {}), (200, b"\x00\xff<rss", {}),
                         (200, b"x" * 2_000_000, {})]
        with self.start(*self.config(server, "/feed", "body_bytes_max = 1000000")) as engine:
            until("the item", lambda: stored_ids(self.data) == ["feed:item-0"])
            until("it is well", lambda: source_of(engine, "feed")["state"] == "running")
            state = source_of(engine, "feed")
            self.assertEqual(state["errors"], 4)
            self.assertIn("more than 1000000 bytes", state["last_error"])

    def test_a_kill_before_the_disk_loses_nothing(self):
        server = self.serve(FeedServer())
        server.items = [f"{n}" for n in range(900)]
        for _ in range(3):  # each time killed as soon as the feed was asked for
            asked = len(server.asked)
            with self.start(*self.config(server)) as engine:
                until("it is asked", lambda: len(server.asked) > asked)
                engine.kill()
        with self.start(*self.config(server)):
            until("all items", lambda: len(stored_ids(self.data)) >= 900)
        self.assert_once([f"feed:item-{n}" for n in range(900)])

    def test_certificates_are_checked(self):
        certificate, key = make_certificate(self.folder.name)
        server = self.serve(FeedServer(certificate, key))
        server.items = ["一"]
        with self.start(*self.config(server)) as engine:
            until("it is refused", lambda: "certificate" in source_of(engine, "feed")["last_error"])
        self.assertEqual(stored_ids(self.data), [])
        with self.start(*self.config(server, "/feed", f'ca_file = "{certificate}"')):
            until("the item", lambda: stored_ids(self.data) == ["feed:item-0"])


if __name__ == "__main__":
    unittest.main()
