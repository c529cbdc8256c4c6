# SPDX-License-Identifier: Apache-2.0
"""Connectors through the real program, against stand-ins that speak the real protocols: what is new
comes once, over drops, garbage and kill -9 of the engine."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402
from source_standins import FeedServer, JetstreamServer, MastodonServer, make_certificate  # noqa: E402
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
            asked = len(server.asked)
            until("what was seen is on disk: two polls later", lambda: len(server.asked) > asked + 1)
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


class StreamTest:
    """What holds for every stream that is followed from a cursor. Numbers from 0 are posts."""

    def test_drops_and_kills_lose_and_double_nothing(self):
        server = self.serve(self.make_server())
        with self.start(*self.config(server)) as engine:
            self.until_connected(engine, server)
            server.add(50)
            until("the first posts", lambda: len(stored_ids(self.data)) == 50)
            server.drop()
            server.add(30)  # while nobody listens, or hardly
            until("what came meanwhile", lambda: len(stored_ids(self.data)) == 80)
            self.assertGreater(source_of(engine, "feed")["errors"], 0)
            self.assertEqual(engine.stop(), 0)
        server.add(300)
        with self.start(*self.config(server)) as engine:
            until("some posts", lambda: len(stored_ids(self.data)) > 80)
            engine.kill()  # in mid-stream
        server.add(20)
        with self.start(*self.config(server)) as engine:
            until("all posts", lambda: len(stored_ids(self.data)) >= 400)
            self.assertEqual(engine.stop(), 0)
        self.assert_once([self.post_id(n) for n in range(400)])

    def test_garbage_is_kept_and_passed(self):
        server = self.serve(self.make_server())
        server.garbage = self.garbage
        with self.start(*self.config(server)) as engine:
            until("the garbage", lambda: source_of(engine, "feed")["rejected"] == 1)
            self.until_connected(engine, server)
            server.add(5)
            until("the posts", lambda: len(stored_ids(self.data)) == 5)
        self.assertTrue(os.path.getsize(os.path.join(self.data, "sources", "feed.rejected.ndjson")))


class JetstreamTest(StreamTest, SourceTest):
    make_server = JetstreamServer
    garbage = b"no json"

    def config(self, server, *more):
        return ('type = "bluesky"', f'url = "{server.url()}"', 'langs = ["zh"]', *more)

    def until_connected(self, _, server):
        until("a connection", lambda: server.asked)

    def post_id(self, n):
        return f"at://did:plc:{n % 7}/app.bsky.feed.post/k{n}"

    def test_other_languages_are_left_out(self):
        server = self.serve(JetstreamServer())
        with self.start(*self.config(server)):
            self.until_connected(None, server)
            server.add(3, "en")
            server.add(2, "zh-Hans")
            until("the posts", lambda: len(stored_ids(self.data)) == 2)
        self.assert_once([self.post_id(3), self.post_id(4)])

    def test_certificates_are_checked(self):
        certificate, key = make_certificate(self.folder.name)
        server = self.serve(JetstreamServer(certificate, key))
        with self.start(*self.config(server)) as engine:
            until("it is refused", lambda: "certificate" in source_of(engine, "feed")["last_error"])
        with self.start(*self.config(server, f'ca_file = "{certificate}"')):
            self.until_connected(None, server)
            server.add(1)
            until("the post", lambda: stored_ids(self.data) == [self.post_id(0)])


class MastodonTest(StreamTest, SourceTest):
    make_server = MastodonServer
    garbage = b"event: update\ndata: {broken\n\n"

    def config(self, server, *more):
        return ('type = "mastodon"', f'url = "{server.url("")}"', f'token = "{server.TOKEN}"', *more)

    def until_connected(self, engine, _):
        until("a connection", lambda: source_of(engine, "feed")["state"] == "running")

    def post_id(self, n):
        return f"https://m.example/s/{n}"

    def test_a_wrong_token_is_said(self):
        server = self.serve(MastodonServer())
        with self.start('type = "mastodon"', f'url = "{server.url("")}"', 'token = "wrong-secret"') as engine:
            until("it is refused", lambda: "answered 401" in source_of(engine, "feed")["last_error"])
            self.assertNotIn("wrong-secret", "".join(engine.stderr_lines))


if __name__ == "__main__":
    unittest.main()
