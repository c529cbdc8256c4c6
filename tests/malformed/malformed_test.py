# SPDX-License-Identifier: Apache-2.0
"""Tests of the malformed-body check itself, against a small stand-in for the server: it passes the honest one and fails each
one with a fault. Run: python3 tests/malformed/malformed_test.py"""
import contextlib
import gzip
import http.server
import io
import json
import os
import random
import socket
import threading
import types
import unittest
import zlib

import bodies
import run_malformed
import sockets

LINE_MAX, TEXT_MAX, FIELD_MAX, EXTRA_MAX, DEPTH_MAX = 1 << 20, 64 << 10, 4 << 10, 16 << 10, 33


def reject_constant(name):
    raise ValueError(name)


def depth_of(line):
    depth = most = 0
    inside = skip = False
    for c in line:
        if skip:
            skip = False
        elif inside:
            skip, inside = c == "\\", c != '"'
        elif c == '"':
            inside = True
        elif c in "[{":
            depth += 1
            most = max(most, depth)
        elif c in "]}":
            depth -= 1
    return most


def check_members(pairs):
    for key, value in pairs:
        if key == "text" and (not isinstance(value, str) or len(value.encode(errors="replace")) > TEXT_MAX):
            raise ValueError("text")
        if key in ("likes", "reposts") and (type(value) is not int or not 0 <= value < 2**63):
            raise ValueError(key)
        if key == "time" and not (
                type(value) in (int, float) and (0 <= value < 4102444800 or 1e11 <= value < 4102444800000)
                or isinstance(value, str) and value.startswith("2026-01-05T")):
            raise ValueError(key)
        if key in ("author", "source", "region", "url", "id", "repost_of"):
            number = key in ("author", "id", "repost_of") and type(value) is int
            if not number and (not isinstance(value, str) or len(value) > FIELD_MAX or (key == "id" and not value)):
                raise ValueError(key)
    return dict(pairs)


def check_line(raw):
    """Raises ValueError for a line that the rules of docs/api.md reject."""
    if len(raw) > LINE_MAX:
        raise ValueError("too long")
    line = raw.decode("utf-8", errors="replace")
    if depth_of(line) > DEPTH_MAX:
        raise ValueError("too deep")
    pairs = []

    def hook(found):
        pairs[:] = found  # the outermost object comes last
        return dict(found)
    post = json.loads(line.replace("\0", "\ufffd"), object_pairs_hook=hook, parse_constant=reject_constant,
                      parse_int=lambda s: int(s) if len(s) < 4000 else 2**64)
    if not isinstance(post, dict) or "text" not in post:
        raise ValueError("text missing")
    check_members(pairs)
    known = {"text", "time", "likes", "reposts", "author", "source", "region", "url", "id", "repost_of"}
    if sum(len(k) + 4 for k, _ in pairs if k not in known) > EXTRA_MAX:
        raise ValueError("extra")


class StandIn(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    fault = None
    hoard = []

    def log_message(self, *_):
        pass

    def send_error(self, code, *_):  # so that 5xx of the library do not count as ours
        self.answer(400 if code >= 500 else code, {"detail": "bad request"}, close=True)

    def answer(self, status, value, close=False):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(200 if self.path == "/healthz" else 404, {})

    def do_DELETE(self):
        self.answer(405, {}, close=True)

    def read_body(self):
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            body = b""
            while True:
                head = self.rfile.readline(70_000)
                size = int(head.split(b";")[0], 16)
                if not 0 <= size < 1 << 30:
                    raise ValueError("chunk size")
                piece = self.rfile.read(size)
                if len(piece) < size or self.rfile.readline() != b"\r\n":
                    raise ValueError("chunk")
                if size == 0:
                    return body
                body += piece
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length < 1 << 30:
            raise ValueError("length")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ValueError("cut off")
        return body

    def do_POST(self):
        try:
            body = self.read_body()
        except ValueError as error:
            self.answer(400, {"detail": str(error)}, close=True)
            return
        coding = self.headers.get("Content-Encoding")
        try:
            if coding == "gzip":
                body = gzip.decompress(body)
            elif coding:
                raise ValueError(coding)
        except (ValueError, OSError, EOFError, zlib.error) as error:
            self.answer(415, {"detail": str(error)})
            return
        accepted, errors = 0, []
        for number, raw in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            raw = raw.removesuffix(b"\r")
            if not raw.strip(b" \t\r"):
                continue
            try:
                check_line(raw)
                accepted += 1
            except (ValueError, RecursionError) as error:
                errors.append({"line": number, "field": "", "reason": str(error) or "bad"})
        self.misbehave(accepted, errors)

    def misbehave(self, accepted, errors):
        status = 200 if accepted or not errors else 400
        rejected = len(errors)
        if self.fault == "500" and rejected:
            status = 500
        elif self.fault == "swallow" and rejected == 1 and not accepted:
            status, accepted, rejected, errors = 200, 1, 0, []
        elif self.fault == "miscount":
            accepted += 1 if accepted else 0
        elif self.fault == "wrong line" and errors:
            errors[-1]["line"] += 1
        elif self.fault == "200 for all":
            status = 200
        elif self.fault == "drop" and rejected:
            self.close_connection = True
            return
        elif self.fault == "leak":
            StandIn.hoard.append(bytearray(2_000_000))
        self.answer(status, {"accepted": accepted, "rejected": rejected, "duplicates": 0, "errors": errors,
                             "errors_omitted": 0})


@contextlib.contextmanager
def stand_in(fault):
    handler = type("Handler", (StandIn,), {"fault": fault})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        StandIn.hoard.clear()


def run(fault, count=300, pid=None):
    options = types.SimpleNamespace(count=count, seed=3, only=None, connections=2, rss_growth_max_mb=64)
    words = io.StringIO()
    with stand_in(fault) as port, contextlib.redirect_stdout(words):
        this_run = run_malformed.Run(port, pid, options)
        this_run.run_probes = lambda: None  # Python's server is not strict enough below HTTP
        passed = this_run.run()
    return passed, words.getvalue()


def probe(answer, allowed, hang=False):
    """What Run says of a server that answers anything with these bytes (or never)."""
    words = io.StringIO()
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.redirect_stdout(words):
        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)
                if hang:
                    connection.settimeout(10)
                    connection.recv(1000)  # until the other side gives up
        thread = threading.Thread(target=serve)
        thread.start()
        this_run = run_malformed.Run(listener.getsockname()[1], None, None)
        this_run.timeout = 0.2 if hang else 10
        this_run.run_probe(sockets.Probe("p", b"x", allowed))
        thread.join()
    return this_run.failures


class Malformed(unittest.TestCase):
    def test_probes_judge_the_answer(self):
        for answer, allowed, passes in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "4xx", True),
                                        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "any", True),
                                        (b"HTTP/1.1 200 OK\r\n\r\n", "any", True),
                                        (b"HTTP/1.1 200 OK\r\n\r\n", "4xx or close", False),
                                        (b"HTTP/1.1 500 Oops\r\n\r\n", "any", False),
                                        (b"HTTP/1.1 501 No\r\n\r\n", "501", True),
                                        (b"HTTP/1.1 501 No\r\n\r\n", "any", False),
                                        (b"", "4xx or close", True), (b"", "4xx", False),
                                        (b"segmentation fault\r\n", "any", False)):
            with self.subTest(answer=answer, allowed=allowed):
                self.assertEqual(probe(answer, allowed) == [], passes)
        self.assertIn("neither answered nor closed", probe(b"", "any", hang=True)[0])

    def test_the_honest_server_passes(self):
        passed, words = run(None)
        self.assertTrue(passed, words)

    def test_each_fault_is_noticed(self):
        for fault in ("500", "swallow", "miscount", "wrong line", "200 for all", "drop"):
            with self.subTest(fault):
                passed, words = run(fault, count=80)
                self.assertFalse(passed, words)

    def test_505_answers_other_versions_only(self):
        for line, passes in ((b"GET / HTTP/2.0\r\n", True), (b"GET / HTP/1.1\r\n", True),
                             (b"GET / HTTP/1.1\r\n", False), (b"\r\nGET / HTTP/1.0\r\nx", False)):
            self.assertEqual(sockets.Probe("p", line, "any").allows("505"), passes, line)

    def test_a_leak_is_noticed(self):
        passed, words = run("leak", count=120, pid=os.getpid())
        self.assertFalse(passed, words)
        self.assertIn("memory grew", words)

    def test_cases_follow_from_seed_and_number(self):
        for number in range(200):
            self.assertEqual(bodies.case(1, number), bodies.case(1, number))
        self.assertNotEqual([bodies.case(1, n).body for n in range(100, 200)],
                            [bodies.case(2, n).body for n in range(100, 200)])
        self.assertEqual(sockets.random_probe(1, 5), sockets.random_probe(1, 5))

    def test_every_kind_comes_early(self):
        kinds = {bodies.case(1, n).kind for n in range(len(bodies.MAKERS))}
        self.assertEqual(kinds, {m.__name__ for m in bodies.MAKERS})

    def test_lines_that_must_be_rejected_are_rejected_by_the_rules(self):
        for maker in bodies.BAD_LINES + [bodies.long_line]:
            for number in range(60):
                line = maker(random.Random(f"{maker.__name__}{number}"))
                self.assertNotIn(b"\n", line, maker.__name__)
                with self.assertRaises((ValueError, RecursionError), msg=(maker.__name__, line[:100])):
                    check_line(line)


if __name__ == "__main__":
    unittest.main()
