# SPDX-License-Identifier: Apache-2.0
"""The Python client, installed with pip, against the real program: both clients run every test."""

import asyncio
import ast
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from datetime import datetime, timedelta, timezone

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(PACKAGE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
SITE = tempfile.mkdtemp()


def setUpModule():
    """pip install, from a copy so that nothing is built in the source tree; what it needs is there already."""
    copy = os.path.join(SITE, "copy")
    shutil.copytree(PACKAGE, copy)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        + ["--no-build-isolation", "--no-index", "--target", os.path.join(SITE, "lib"), copy],
        check=True,
    )
    sys.path.insert(0, os.path.join(SITE, "lib"))
    global tidewatch
    import tidewatch


def tearDownModule():
    shutil.rmtree(SITE)


class Blocking:
    """An AsyncClient, called as a Client is."""

    def __init__(self, *arguments, **options):
        self._loop = asyncio.new_event_loop()
        self._client = tidewatch.AsyncClient(*arguments, **options)

    @property
    def url(self):
        return self._client.url

    def set_sleep(self, sleep):
        async def slept(seconds):
            sleep(seconds)

        self._client._sleep = slept

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*arguments, **options):
            result = method(*arguments, **options)
            if hasattr(result, "__aiter__"):
                return self._drawn(result)
            return self._loop.run_until_complete(result)

        return call

    def _drawn(self, items):
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(items.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(items.aclose())


class Breaker:
    """Passes TCP connections on to a port; `cut_after_request` ends the next ones once the server has answered, so
    that the work is done and the answer lost; `cut_all` ends those that are open."""

    def __init__(self, port):
        self._port = port
        self._cuts = 0
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after_request(self, times):
        self._cuts = times

    def cut_all(self):
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open = []

    def close(self):
        self._listener.close()
        self.cut_all()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._open += [client, server]
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source, target, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_answer and self._cuts > 0:
                    self._cuts -= 1
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Scripted:
    """A server that answers each POST /v1/posts as the script says and keeps the bodies."""

    def __init__(self, *answers):
        import http.server

        outer = self
        outer.bodies = []
        script = list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, body = script.pop(0)
                data = body.encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def problem(status, accepted, unprocessed=0, **headers):
    body = f'{{"type":"about:blank","title":"t","status":{status},"detail":"d","code":"C","accepted":{accepted},'
    body += '"rejected":0,"duplicates":0,"errors":[],"errors_omitted":0'
    body += f',"unprocessed_from_line":{unprocessed}}}' if unprocessed else "}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/problem+json", **named}, body


class Cases:
    """Every test of both clients; `self.client(url)` makes one."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        posts = os.path.join(cls.folder.name, "posts.ndjson")
        data = os.path.join(cls.folder.name, "data")
        subprocess.run([BINARY, "simulate", "--minutes", "10", "--rate", "10", "--output", posts], check=True)
        subprocess.run(
            [BINARY, "replay", posts, "--data-dir", data, "--json"], check=True, stdout=subprocess.DEVNULL
        )
        cls.engine = Engine(BINARY, data, "--no-grpc")
        cls.url = f"http://127.0.0.1:{cls.engine.port}"

    @classmethod
    def tearDownClass(cls):
        cls.engine.kill()
        cls.engine.__exit__()
        cls.folder.cleanup()

    def mark(self):
        """Of this test alone, in ids and texts."""
        return f"{type(self).__name__}{self._testMethodName}".lower().replace("_", "")

    def test_ingest_takes_texts_and_objects_and_says_what_is_wrong(self):
        mark = self.mark()
        with self.client(self.url) as client:
            report = client.ingest(
                iter(
                    [
                        f"{mark} 今天的晚霞真好看",
                        {"id": mark + "1", "text": f"{mark} 还不给退款", "region": "广东", "time": datetime.now(timezone.utc)},
                        {"id": mark + "2"},
                        {"id": mark + "1", "text": "again"},
                        {"id": mark + "3", "text": "a\u2028b\ud800", "deep": {"x": [1]}},
                    ]
                ),
                batch_posts=2,
            )
            self.assertEqual((report.accepted, report.rejected, report.duplicates), (3, 1, 1))
            self.assertEqual([(error.index, error.field) for error in report.errors], [(2, "text")])
            found = client.post(mark + "3")
            self.assertEqual(found.text, "a\u2028b?")
            self.assertEqual(found.extra, {"deep": {"x": [1]}})
            self.assertEqual(len(list(client.search(mark))), 2)
            self.assertEqual(client.ingest([]), tidewatch.IngestReport())

    def test_a_lost_answer_stores_nothing_twice(self):
        mark = self.mark()
        breaker = Breaker(self.engine.port)
        self.addCleanup(breaker.close)
        with self.client(f"http://127.0.0.1:{breaker.port}") as client:
            breaker.cut_after_request(2)
            report = client.ingest((f"{mark} {i}" for i in range(250)), batch_posts=100)
            self.assertEqual(report.accepted + report.duplicates, 250)
            self.assertGreaterEqual(report.duplicates, 100)  # stored by the request whose answer was lost
            self.assertEqual(report.waits, 2)
            self.assertEqual(len(list(client.search(mark, page_size=77))), 250)
            breaker.cut_after_request(1)
            with self.assertRaises(tidewatch.IngestError) as raised:
                client.ingest(["no id"], assign_ids=False)
            self.assertIn("twice", str(raised.exception))

    def test_waits_as_asked_and_goes_on_from_the_line_that_was_not_taken(self):
        waits = []
        answers = [
            problem(429, 3, 4, Retry_After="7"),
            problem(503, 0, 1, Retry_After="2"),
            (503, {"Retry-After": "3"}, "not a problem"),
            problem(200, 2),
        ]
        with Scripted(*answers) as server, self.client(server.url) as client:
            self.set_sleep(client, waits.append)
            report = client.ingest([{"id": str(i), "text": "x"} for i in range(5)])
        self.assertEqual(waits, [7.0, 2.0, 3.0])
        self.assertEqual((report.accepted, report.waits), (5, 3))
        self.assertEqual([body.count(b"\n") for body in server.bodies], [5, 2, 2, 2])
        self.assertIn(b'"id": "3"', server.bodies[1])

    def test_gives_up_without_progress_and_says_where(self):
        waits = []
        with Scripted(problem(200, 2), *[problem(429, 0, 1, Retry_After="1")] * 3) as server:
            with self.client(server.url) as client:
                self.set_sleep(client, waits.append)
                with self.assertRaises(tidewatch.IngestError) as raised:
                    client.ingest(["a", "b", "c", "d"], batch_posts=2, attempts_max=3)
        self.assertEqual((raised.exception.next_index, raised.exception.report.accepted), (2, 2))
        self.assertEqual(len(waits), 2)

    def test_gets_everything_in_through_real_back_pressure(self):
        config = os.path.join(self.folder.name, f"{self.mark()}.toml")
        with open(config, "w") as file:
            file.write("[ingest]\nposts_in_flight_max = 16\n")
        mark = self.mark()
        texts = [f"{mark} 第{i}条 " + "退款太慢了,客服不回消息" * 12 for i in range(3000)]
        waits = []
        with tempfile.TemporaryDirectory() as folder, Engine(BINARY, folder, "--no-grpc", "--config", config) as engine:
            with self.client(f"http://127.0.0.1:{engine.port}") as client:
                self.set_sleep(client, waits.append)  # does not wait: the server refuses all the more
                report = client.ingest(texts, attempts_max=1_000_000)
                self.assertEqual((report.accepted, report.duplicates, report.rejected), (3000, 0, 0))
                self.assertEqual(len({post.text for post in client.search(mark, page_size=1000)}), 3000)
        self.assertTrue(waits, "the server never refused: the test shows nothing")
        self.assertTrue(all(1 <= wait <= 60 for wait in waits), waits[:5])

    def test_classifies_any_number(self):
        with self.client(self.url) as client:
            results = client.classify(["今天真开心[哈哈]", "国足又输了", ""] + ["好"] * 2000)
            self.assertEqual(len(results), 2003)
            self.assertEqual((results[0].emotion.label, results[1].topic.label), ("happy", "sports"))
            self.assertAlmostEqual(sum(results[0].emotion.probabilities.values()), 1, places=3)
            self.assertEqual(results[2].emotion.label, "neutral")
            with self.assertRaises(tidewatch.NotFound):
                client.classify(["x"], model="no-such-model")

    def test_searches_page_after_page(self):
        mark = self.mark()
        with self.client(self.url) as client:
            client.ingest({"id": f"{mark}{i}", "text": f"{mark} 锦鲤", "author": f"a{i % 2}"} for i in range(25))
            ids = [post.id for post in client.search(mark, page_size=10)]
            self.assertEqual(ids, [f"{mark}{i}" for i in reversed(range(25))])
            self.assertEqual(len(list(client.search(mark, author="a1", page_size=3))), 12)
            self.assertEqual(list(client.search(mark, until=timedelta(hours=1))), [])
            since = datetime.now(timezone.utc) - timedelta(minutes=30)
            self.assertEqual(len(list(client.search(mark, since=since))), 25)
            page = client.search_page(mark, limit=10)
            self.assertEqual(len(page.posts), 10)
            self.assertIsNotNone(page.next)

    def test_alerts_through_their_life(self):
        with self.client(self.url) as client:
            alerts = list(client.alerts(page_size=1))
            self.assertTrue(alerts, "the replay gave no alert")
            self.assertEqual(len({alert.id for alert in alerts}), len(alerts))
            alert = client.alert(alerts[0].id)
            self.assertGreaterEqual(len(alert.evidence_posts), 3)
            self.assertEqual(alert.history[0].action, "opened")
            closed = next(client.alerts(state="closed"))
            with self.assertRaises(tidewatch.Conflict):
                client.escalate(closed.id)
            with self.assertRaises(tidewatch.NotFound) as raised:
                client.alert("al_0000000000000000")
            self.assertEqual(raised.exception.code, "NOT_FOUND")
            with self.assertRaises(tidewatch.BadRequest):
                list(client.alerts(state="nonsense"))

    def test_watches_a_rule_open_and_resumes_after_a_drop(self):
        with tempfile.TemporaryDirectory() as folder, Engine(BINARY, folder, "--no-grpc") as engine:
            breaker = Breaker(engine.port)
            self.addCleanup(breaker.close)
            with self.client(f"http://127.0.0.1:{breaker.port}") as client:
                with self.client(f"http://127.0.0.1:{engine.port}") as sender:
                    self.set_sleep(client, lambda seconds: None)
                    self.watch_a_wave(client, sender, breaker)

    def watch_a_wave(self, client, sender, breaker):
        def until(stream, wanted):
            """The first event that is wanted; statistics come once a second, so this ends."""
            ticks = 0
            for event in stream:
                if wanted(event):
                    return event
                ticks += event.kind == "stats"
                self.assertLess(ticks, 45, "the event did not come")

        sender.put_rule("退款潮", "退款 -广告")
        stream = client.watch(events=("alert", "stats"))
        until(stream, lambda event: event.kind == "stats")
        # Half an hour of one post in four seconds, then 25 a second.
        start = datetime.now(timezone.utc) - timedelta(minutes=30)
        begin = start + timedelta(seconds=420 * 4)
        times = [start + timedelta(seconds=i * 4) for i in range(420)]
        times += [begin + timedelta(seconds=i / 25) for i in range(3000)]
        sender.ingest(
            {"id": f"w{i}", "author": f"u{i}", "time": time, "text": f"退款太慢了 第{i}次投诉 {i * 7919 % 1000}"}
            for i, time in enumerate(times)
        )
        key = "rule:退款潮"
        opened = until(stream, lambda e: e.alert and e.alert.key == key and e.action == "opened")
        alert_id = opened.alert.id
        self.assertIn(alert_id, {alert.id for alert in sender.alerts(state="open")})
        breaker.cut_all()
        sender.acknowledge(alert_id, by="li", note="seen")
        later = until(stream, lambda e: e.alert and e.alert.id == alert_id and e.action == "acknowledged")
        self.assertEqual(later.alert.state, "acknowledged")
        muted = sender.mute(alert_id, minutes=5, by="测试")
        self.assertEqual((muted.history[-1].action, muted.history[-1].by), ("muted", "测试"))
        self.assertIsNotNone(muted.muted_until)
        self.assertIsNone(sender.mute(alert_id, minutes=0).muted_until)
        stream.close()
        # In another process: from the id on, and nothing twice.
        again = client.watch(events=("alert", "stats"), last_event_id=opened.id)
        self.assertEqual(until(again, lambda e: e.action == "acknowledged").id, later.id)
        again.close()
        self.assertEqual(sender.resolve(alert_id).state, "resolved")
        self.assertEqual(sender.reopen(alert_id).state, "open")
        self.assertEqual(sender.escalate(alert_id, by="li").state, "escalated")

    def test_rules_trends_series_models(self):
        mark = self.mark()
        name = f"退款 潮?#&100% {mark[:20]}"
        with self.client(self.url) as client:
            rule = client.put_rule(name, "退款 OR 退钱 -广告", description="d")
            self.assertEqual((rule.name, rule.key, rule.origin), (name, f"rule:{name}", "api"))
            self.assertEqual(client.rule(name), rule)
            self.assertIn(rule, client.rules())
            with self.assertRaises(tidewatch.BadRequest) as raised:
                client.put_rule(name, "a (b")
            self.assertIn("column 3", raised.exception.detail)
            verdict = client.validate_rule("退款 OR")
            self.assertEqual((verdict.valid, verdict.column), (False, 6))
            client.delete_rule(name)
            with self.assertRaises(tidewatch.NotFound):
                client.delete_rule(name)
            client.ingest([f"{mark} 退款"] * 3)
            self.assertIsInstance(client.trends(window=600, limit=5), list)
            self.assertIsInstance(client.series("*@*", since=timedelta(days=1)), list)
            model = client.models()[0]
            self.assertIn("angry", model.labels["emotion"])
            published = {figure.data: figure for figure in model.published}
            self.assertEqual(published["usual_eval"].task, "emotion")
            self.assertGreater(published["usual_eval"].accuracy, 0.7)
            self.assertIn("posts_per_second", client.stats())
            self.assertTrue(client.ready())

    def test_says_that_nobody_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        waits = []
        with self.client(f"http://127.0.0.1:{port}", retries=2) as client:
            self.set_sleep(client, waits.append)
            self.assertFalse(client.ready())
            with self.assertRaisesRegex(tidewatch.ConnectionFailed, "tidewatch serve"):
                client.models()
            with self.assertRaises(tidewatch.IngestError):
                client.ingest(["x"], attempts_max=3)
        self.assertEqual(len(waits), 4)


class SyncTest(Cases, unittest.TestCase):
    def client(self, *arguments, **options):
        return tidewatch.Client(*arguments, **options)

    def set_sleep(self, client, sleep):
        client._sleep = sleep


class AsyncTest(Cases, unittest.TestCase):
    def client(self, *arguments, **options):
        return Blocking(*arguments, **options)

    def set_sleep(self, client, sleep):
        client.set_sleep(sleep)

    def test_ingest_takes_async_iterables(self):
        async def posts():
            for i in range(10):
                yield {"id": f"async-{i}", "text": "x"}

        with self.client(self.url) as client:
            self.assertEqual(client.ingest(posts(), batch_posts=3).accepted, 10)

    def test_has_the_methods_of_the_other(self):
        def public(cls):
            return {name for name in vars(cls) if not name.startswith("_")} - {"close", "aclose"}

        self.assertEqual(public(tidewatch.Client), public(tidewatch.AsyncClient))


class PackageTest(unittest.TestCase):
    def test_is_strictly_typed(self):
        run = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.path.join(SITE, "mypy"), "src", "examples"],
            cwd=PACKAGE,
            env={**os.environ, "MYPYPATH": os.path.join(PACKAGE, "src")},
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertTrue(os.path.exists(os.path.join(SITE, "lib", "tidewatch", "py.typed")))

    def test_is_written_in_python_3_9(self):
        for folder in ("src/tidewatch", "examples"):
            for name in os.listdir(os.path.join(PACKAGE, folder)):
                if name.endswith(".py"):
                    with open(os.path.join(PACKAGE, folder, name), encoding="utf-8") as file:
                        ast.parse(file.read(), name, feature_version=(3, 9))

    def test_examples_run(self):
        def example(name, *arguments, stdin=None):
            return subprocess.run(
                [sys.executable, os.path.join(PACKAGE, "examples", name), *arguments],
                env={**os.environ, "PYTHONPATH": os.path.join(SITE, "lib")},
                input=stdin,
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        with tempfile.TemporaryDirectory() as folder, Engine(BINARY, folder, "--no-grpc") as engine:
            url = f"http://127.0.0.1:{engine.port}"
            csv_file = os.path.join(folder, "posts.csv")
            with open(csv_file, "w", encoding="utf-8-sig") as file:
                file.write('id,text,author\n1,"等了三个月,还不给退款",u1\n2,晚霞,u2\n')
            self.assertIn("2 accepted", example("send_csv.py", csv_file, url))
            self.assertIn("2 known already", example("send_csv.py", csv_file, url))
            self.assertIn("happy", example("classify_lines.py", url, stdin="今天真开心[哈哈]\n"))
            self.assertEqual(example("search_async.py", url, "退款", "晚霞"), "退款\t1\n晚霞\t1\n")
            self.assertEqual(example("watch_alerts.py", url, "0"), "")
            self.assertEqual(engine.get("/v1/rules")["rules"][0]["name"], "退款潮")


if __name__ == "__main__":
    unittest.main(verbosity=2)
