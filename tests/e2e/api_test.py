# SPDX-License-Identifier: Apache-2.0
"""The life of a post through the real program: ingest, classify, search, series, metrics, restart."""

import json
import os
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()


class ApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.engine = Engine(BINARY, cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.engine.kill()
        cls.engine.__exit__()
        cls.folder.cleanup()

    def test_accepts_and_rejects_line_by_line(self):
        body = (
            '{"id":"a-1","text":"这家店的退款等了三个月,太气人了[怒]","region":"广东","author":"u1","x":{"deep":[1]}}\n'
            "not json\n"
            '{"id":"a-2"}\n'
            '{"id":"a-3","text":""}\n'
            '{"id":"a-1","text":"again"}\n'
        ).encode()
        status, _, answer = self.engine.request("POST", "/v1/posts", body)
        self.assertEqual(status, 200, answer)
        self.assertEqual((answer["accepted"], answer["rejected"], answer["duplicates"]), (2, 2, 1))
        self.assertEqual([error["line"] for error in answer["errors"]], [2, 3])
        self.assertEqual(answer["errors"][1]["field"], "text")
        post = self.engine.get("/v1/posts/a-1")
        self.assertEqual(post["extra"], {"x": {"deep": [1]}})
        self.assertEqual(post["region"], "广东")
        self.assertEqual(post["emotion"]["label"], "angry")
        bare = self.engine.get("/v1/posts/a-3")
        self.assertEqual(bare["emotion"]["label"], "neutral")
        self.assertEqual(bare["topic"]["label"], "unknown")

    def test_refuses_a_body_without_a_good_line(self):
        status, headers, answer = self.engine.request("POST", "/v1/posts", b"{}\n")
        self.assertEqual(status, 400, answer)
        self.assertIn("json", headers["Content-Type"])

    def test_rules_are_made_checked_listed_and_removed(self):
        path = "/v1/rules/" + urllib.parse.quote("退款潮")
        body = json.dumps({"query": "退款 OR 退钱 -广告"}).encode()
        kind = {"Content-Type": "application/json"}
        status, _, rule = self.engine.request("PUT", path, body, kind)
        self.assertEqual(status, 200, rule)
        self.assertEqual((rule["key"], rule["origin"], rule["problem"]), ("rule:退款潮", "api", None))
        self.assertIn(rule, self.engine.get("/v1/rules")["rules"])
        status, _, problem = self.engine.request("PUT", path, b'{"query":"a (b"}', kind)
        self.assertEqual(status, 400)
        self.assertIn("column 3", problem["detail"])
        status, _, verdict = self.engine.request(
            "POST", "/v1/rules/validate", json.dumps({"query": "topic:财经 AND topic:x"}).encode(), kind
        )
        self.assertEqual((status, verdict["valid"], verdict["column"]), (200, False, 20), verdict)
        self.assertEqual(self.engine.get(path)["query"], "退款 OR 退钱 -广告")
        status, _, _ = self.engine.request("DELETE", path)
        self.assertEqual(status, 200)
        status, _, _ = self.engine.request("DELETE", path)
        self.assertEqual(status, 404)

    def test_previews_a_rule_by_a_replay(self):
        self.engine.post_lines([{"id": f"v-{i}", "text": f"预览用的句子第{i}条"} for i in range(12)])
        kind = {"Content-Type": "application/json"}
        ask = {"query": "预览用 -没有", "since": "1h", "name": "any", "enabled": True}
        status, _, found = self.engine.request("POST", "/v1/rules/preview", json.dumps(ask).encode(), kind)
        self.assertEqual(status, 200, found)
        self.assertEqual((found["matches"], found["exact"], found["alerts"]), (12, True, []))
        self.assertEqual(sum(b["posts"] for b in found["histogram"]), 12)
        self.assertTrue(all("预览用" in post["text"] for post in found["examples"]))
        self.assertEqual(self.engine.get("/v1/rules")["rules"], [], "a preview makes no rule")
        for wrong in [{"query": "a (b"}, {}, {"query": "a", "since": "9d"}]:
            status, _, problem = self.engine.request("POST", "/v1/rules/preview", json.dumps(wrong).encode(), kind)
            self.assertEqual(status, 400, problem)

    def test_tells_how_it_fares(self):
        self.engine.post_lines([{"text": "数一数"}])
        system = self.engine.get("/v1/system")
        self.assertEqual([s["name"] for s in system["stages"]][-1], "total")
        self.assertGreater(system["stages"][-1]["posts"], 0)
        self.assertGreater(system["store"]["posts"], 0)
        self.assertEqual((system["demo"], system["index"]["error"]), (False, ""))
        self.assertLessEqual(system["queues"][0]["depth"], system["queues"][0]["max"])

    def test_finds_two_character_words(self):
        status, _, _ = self.engine.post_lines(
            [{"id": f"s-{i}", "text": f"转发这条锦鲤第{i}次"} for i in range(20)]
        )
        self.assertEqual(status, 200)
        found = self.engine.get("/v1/posts", q="锦鲤", limit=7)
        self.assertEqual(len(found["posts"]), 7)
        more = self.engine.get("/v1/posts", q="锦鲤", limit=100, before=found["next"])
        self.assertEqual(len(more["posts"]), 13)
        self.assertEqual(self.engine.get("/v1/posts", q="没有这个词啊")["posts"], [])

    def test_searches_with_the_language_of_rules(self):
        posts = [
            {"id": "b-1", "text": "鲸鱼座退款三天了,客服不理人", "region": "广东省深圳市", "source": "Weibo", "author": "甲"},
            {"id": "b-2", "text": "鲸鱼座退钱了", "region": "广东", "author": "乙"},
            {"id": "b-3", "text": "鲸鱼座广告退款", "region": "北京", "author": "甲"},
        ]
        status, _, _ = self.engine.post_lines(posts)
        self.assertEqual(status, 200)

        def ids(**query):
            return sorted(post["id"] for post in self.engine.get("/v1/posts", **query)["posts"])

        self.assertEqual(ids(q="鲸鱼座 (退款 OR 退钱) -广告"), ["b-1", "b-2"])
        self.assertEqual(ids(q="鲸鱼座 NEAR/2 退款"), ["b-1", "b-3"])
        self.assertEqual(ids(q="鲸鱼座 /退[款钱]了/"), ["b-2"])
        self.assertEqual(ids(q="鲸鱼座", region="广东"), ["b-1", "b-2"])
        self.assertEqual(ids(q="鲸鱼座 region:深圳 source:weibo"), ["b-1"])
        self.assertEqual(ids(q="鲸鱼座", source="weibo"), ["b-1"])
        self.assertEqual(ids(q="鲸鱼座", author="甲", since="1h"), ["b-1", "b-3"])
        self.assertEqual(ids(q="鲸鱼座", until="1600000000"), [])

        page = self.engine.get("/v1/posts", q="鲸鱼座 退款 -广告", limit=1)
        self.assertEqual((page["complete"], page["next"]), (True, None))
        found = page["posts"][0]
        marked = [found["snippet"][begin:end] for begin, end in found["highlights"]]
        self.assertEqual(marked, ["鲸鱼座退款"])

        seen, cursor = [], ""
        while cursor is not None:
            page = self.engine.get("/v1/posts", q="鲸鱼座", limit=1, before=cursor)
            seen += [post["id"] for post in page["posts"]]
            cursor = page["next"]
        self.assertEqual(seen, ["b-3", "b-2", "b-1"])

        summary = self.engine.get("/v1/posts/summary", q="鲸鱼座", buckets=10)
        self.assertEqual((summary["posts"], summary["exact"]), (3, True))
        self.assertEqual(sum(bucket["posts"] for bucket in summary["histogram"]), 3)
        self.assertEqual(len(summary["histogram"]), 10)
        self.assertEqual(summary["regions"], [{"name": "广东", "posts": 2}, {"name": "北京", "posts": 1}])
        self.assertEqual(summary["authors"][0], {"name": "甲", "posts": 2})

        for path in ("/v1/posts", "/v1/posts/summary"):
            status, _, problem = self.engine.request("GET", path + "?q=a%20topic:x")
            self.assertEqual(status, 400)
            self.assertIn("q: column 9: 'x' is no topic; topics are", problem["detail"])
        stats = self.engine.get("/v1/stats")["store"]
        self.assertGreaterEqual(stats["posts"], 3)
        self.assertEqual((stats["partitions"], stats["over_budget"]), (1, False))

    def test_classifies_without_storing(self):
        status, _, answer = self.engine.request(
            "POST", "/v1/classify", '{"texts":["今天真开心[哈哈]","国足又输了","" ]}'.encode()
        )
        self.assertEqual(status, 200, answer)
        first, second, empty = answer["results"]
        self.assertEqual(first["emotion"]["label"], "happy")
        self.assertEqual(second["topic"]["label"], "sports")
        self.assertEqual(empty["emotion"]["label"], "neutral")
        self.assertAlmostEqual(sum(first["emotion"]["probabilities"].values()), 1.0, places=3)

    def test_says_what_is_wrong(self):
        for method, path, body, status in [
            ("GET", "/v1/nothing", None, 404),
            ("GET", "/v1/posts?limit=abc", None, 400),
            ("GET", "/v1/posts?before=abc", None, 400),
            ("GET", "/v1/posts?since=yesterday", None, 400),
            ("GET", "/v1/posts?q=%22open", None, 400),
            ("GET", "/v1/posts/summary?buckets=0", None, 400),
            ("GET", "/v1/trends?window=1", None, 400),
            ("GET", "/v1/topics/nokey/series", None, 400),
            ("GET", "/v1/alerts/al_nope", None, 404),
            ("DELETE", "/v1/posts", None, 405),
            ("POST", "/v1/classify", b"[]", 400),
            ("POST", "/v1/classify", b'{"texts":[],"model":' + b"[" * 300_000 + b"]" * 300_000 + b"}", 404),
            ("POST", "/v1/rules/preview", b'{"query":"a","since":' + b"[" * 300_000 + b"]" * 300_000 + b"}", 400),
        ]:
            with self.subTest(path=path):
                got, headers, problem = self.engine.request(method, path, body)
                self.assertEqual(got, status, problem)
                self.assertEqual(headers["Content-Type"].split(";")[0], "application/problem+json")
                self.assertEqual(problem["status"], status)
                self.assertTrue(problem["detail"])

    def test_shows_metrics_models_and_health(self):
        self.engine.post_lines([{"text": "数一数"}])
        text = self.engine.get("/metrics").decode()
        for name in ["tidewatch_stage_seconds_bucket", "tidewatch_posts_total", "tidewatch_model_info"]:
            self.assertIn(name, text)
        model = self.engine.get("/v1/models")["models"][0]
        self.assertEqual(model["active"], True)
        published = {figure["data"]: figure for figure in model["published"]}
        self.assertEqual(set(published), {"usual_eval", "virus_eval", "topic_dev"})
        self.assertEqual(published["topic_dev"]["task"], "topic")
        self.assertEqual(published["topic_dev"]["texts"], 3000)
        self.assertGreater(published["topic_dev"]["accuracy"], 0.75)
        self.engine.get("/healthz")
        self.engine.get("/readyz")
        self.assertEqual(self.engine.get("/openapi.json")["openapi"][:3], "3.1")


class RestartTest(unittest.TestCase):
    def test_stops_politely_and_remembers(self):
        with tempfile.TemporaryDirectory() as folder:
            with Engine(BINARY, folder, "--model", "none") as engine:
                engine.post_lines([{"id": "keep", "text": "记住我"}])
                self.assertEqual(engine.stop(), 0)
            with Engine(BINARY, folder, "--model", "none") as engine:
                self.assertEqual(engine.get("/v1/posts/keep")["text"], "记住我")
                _, _, answer = engine.post_lines([{"id": "keep", "text": "记住我"}])
                self.assertEqual(answer["duplicates"], 1)

    def test_refuses_a_second_engine_on_the_same_folder(self):
        with tempfile.TemporaryDirectory() as folder, Engine(BINARY, folder, "--model", "none"):
            with self.assertRaisesRegex(RuntimeError, folder):
                Engine(BINARY, folder, "--model", "none")


if __name__ == "__main__":
    unittest.main(verbosity=2)
