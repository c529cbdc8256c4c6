# SPDX-License-Identifier: Apache-2.0
"""`tidewatch import`: CSV and workbooks into a running engine and into a data folder, with columns
guessed and mapped, bad rows named, and a killed import that goes on."""

import csv
import datetime
import glob
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

import openpyxl

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402
from source_testing import stored_ids, stored_rows, until  # noqa: E402

BINARY = binary_from_environment()
HEADER = ["微博正文", "发布时间", "用户昵称", "IP属地", "点赞数", "粉丝数"]


def rows(count, start=0):
    return [[f"第{n}条,“引号”\"和\n换行", f"2026/11/23 {n % 24}:{n % 60:02}", f"用户{n % 7}", "广东", "1.2万", n]
            for n in range(start, start + count)]


def as_csv(table, encoding="utf-8", **options):
    out = io.StringIO()
    csv.writer(out, **options).writerows(table)
    return out.getvalue().encode(encoding)


class ImportTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.environment = {**os.environ, "XDG_STATE_HOME": os.path.join(self.folder.name, "state")}

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as out:
            out.write(data)
        return self.path(name)

    def run_import(self, *arguments, status=0, stdin=None):
        done = subprocess.run([BINARY, "import", "--model", "none", *arguments], capture_output=True,
                              env=self.environment, input=stdin)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stdout.decode(), done.stderr.decode()

    def import_json(self, *arguments, status=0, stdin=None):
        return json.loads(self.run_import("--json", *arguments, status=status, stdin=stdin)[0])

    def test_csv_into_a_running_engine_twice(self):
        file = self.write("posts.csv", as_csv([HEADER, *rows(1200)]))
        with Engine(BINARY, self.path("data"), "--model", "none") as engine:
            url = f"http://127.0.0.1:{engine.port}"
            first = self.import_json(file, "--url", url)
            self.assertEqual((first["rows"], first["stored"], first["rejected"]), (1200, 1200, 0))
            self.assertEqual(first["columns"], {"text": "微博正文", "time": "发布时间", "author": "用户昵称",
                                                "region": "IP属地", "likes": "点赞数"})
            again = self.import_json(file, "--url", url)
            self.assertEqual((again["stored"], again["duplicates"]), (0, 1200))
            self.write("posts.csv", as_csv([HEADER, *rows(1210)]))  # ten more at its end
            self.assertEqual(self.import_json(file, "--url", url)["stored"], 10)
            post = engine.get("/v1/posts", q="第1209条")["posts"][0]
            self.assertEqual((post["text"], post["likes"], post["region"]), (rows(1, 1209)[0][0], 12000, "广东"))
            self.assertEqual(post["extra"]["粉丝数"], "1209")

    def test_encodings_and_separators(self):
        table = [HEADER, *rows(40)]
        for name, data in {
            "mark": b"\xef\xbb\xbf" + as_csv(table), "gbk": as_csv(table, "gb18030"),
            "utf16": as_csv(table, "utf-16"), "semicolons": as_csv(table, delimiter=";"),
            "tabs": as_csv(table, "gb18030", delimiter="\t", lineterminator="\r"),
        }.items():
            with self.subTest(name):
                done = self.import_json(self.write(name + ".csv", data), "--data-dir", self.path(name))
                self.assertEqual((done["stored"], done["rejected"]), (40, 0), done)
                texts = {row[0] for row in stored_rows(self.path(name), "text")}
                self.assertEqual(texts, {row[0] for row in rows(40)})

    def test_a_workbook(self):
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "微博"
        sheet.append(["内容", "时间", "作者", "转发数"])
        sheet.append(["第一条", datetime.datetime(2026, 11, 23, 8, 5, 30), "甲", 7])
        sheet.append([])
        sheet.append(["第二条\n换行", datetime.date(2026, 11, 24), "乙", None])
        sheet.append([12345, "2026-11-25 9:00", None, "1.5万"])
        sheet.append(["坏", "前天", "丙", 1])
        book.create_sheet("另一张").append(["x"])
        book.save(self.path("book.xlsx"))
        done = self.import_json(self.path("book.xlsx"), "--data-dir", self.path("data"))
        self.assertEqual(done["format"], "Excel workbook, sheet '微博'")
        self.assertEqual((done["stored"], done["rejected"]), (3, 1), done)
        self.assertEqual((done["errors"][0]["line"], done["errors"][0]["column"]), (6, "时间"))
        with Engine(BINARY, self.path("data"), "--model", "none") as engine:
            found = {p["text"]: p for p in engine.get("/v1/posts")["posts"]}
        self.assertEqual(found["第一条"]["time"], "2026-11-23T00:05:30Z")
        self.assertEqual(found["第一条"]["reposts"], 7)
        self.assertEqual(found["第二条\n换行"]["time"], "2026-11-23T16:00:00Z")
        self.assertEqual((found["12345"]["time"], found["12345"]["reposts"]), ("2026-11-25T01:00:00Z", 15000))

    def test_what_is_shown_and_named(self):
        table = [["标题", "内容", "日期"], ["一", "好", "2026-11-23"], ["二", "坏", "gestern"], ["三", "x", "y", "z"]]
        file = self.write("shown.csv", as_csv(table))
        out, err = self.run_import(file, "--dry-run")
        self.assertIn("text      from 内容", out)
        self.assertIn("kept as they are: 标题", out)
        self.assertIn("2026-11-22T16:00:00Z", out)
        self.assertIn("3 rows, 2 bad; nothing was imported", out)
        self.assertIn("line 3, column 日期: 'gestern' is not a time", err)
        self.assertIn("line 4: 4 columns, but the header has 3", err)
        out, _ = self.run_import(file, "--dry-run", "--map", "text=标题,time=", "--utc-offset", "Z")
        self.assertIn("text      from 标题", out)
        self.assertIn("3 rows, 1 bad", out)
        done = self.import_json("-", "--no-header", "--data-dir", self.path("data"), stdin="只有文本\n第二行\n".encode())
        self.assertEqual((done["rows"], done["stored"]), (2, 2))

    def test_what_cannot_be_read_says_what_to_do(self):
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("hello.txt", "x")
        for name, data, said in (
            ("no.csv", b"a,b\n1,2\n", "--map text=COLUMN"), ("empty.csv", b"", "holds no rows"),
            ("old.xls", b"\xd0\xcf\x11\xe0" + b"x" * 100, "save it as .xlsx or CSV"),
            ("quote.csv", b'text\na\n"b\nc\n', "line 3: the quote that begins there is never closed"),
            ("other.xlsx", zipped.getvalue(), "it has no sheet"),
            ("cut.xlsx", zipped.getvalue()[:60], "cannot be opened as a workbook"),
        ):
            with self.subTest(name):
                _, err = self.run_import(self.write(name, data), "--dry-run", status=1)
                self.assertIn(said, err)
        good = self.write("good.csv", b"text\nx\n")
        self.assertIn("is `tidewatch serve` running there?",
                      self.run_import(good, "--url", "http://127.0.0.1:1", status=1)[1])
        self.assertIn("--utc-offset", self.run_import(good, "--dry-run", "--utc-offset", "China", status=1)[1])

    def test_a_killed_import_goes_on(self):
        file = self.write("long.csv", as_csv([HEADER, *rows(60_000)]))
        process = subprocess.Popen([BINARY, "import", "--model", "none", file, "--data-dir", self.path("data")],
                                   env=self.environment, stdout=subprocess.DEVNULL)
        until("some rows", lambda: glob.glob(self.path("data/sources/import-*.json")))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed_at = len(stored_ids(self.path("data")))
        self.assertLess(killed_at, 60_000)
        done = self.import_json(file, "--data-dir", self.path("data"))
        self.assertGreater(done["resumed_after_line"], 1)
        self.assertTrue(done["complete"])
        ids = stored_ids(self.path("data"))
        self.assertEqual((len(ids), len(set(ids))), (60_000, 60_000))
        self.assertEqual(os.listdir(self.path("data/sources")), [])  # done: the next begins anew

    def test_an_engine_that_dies_meanwhile(self):
        file = self.write("long.csv", as_csv([HEADER, *rows(40_000)]))
        with Engine(BINARY, self.path("data"), "--model", "none") as engine:
            process = subprocess.Popen([BINARY, "import", file, "--url", f"http://127.0.0.1:{engine.port}"],
                                       env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            until("some rows", lambda: len(stored_ids(self.path("data"))) > 1000)
            engine.kill()
            _, err = process.communicate()
        self.assertEqual(process.returncode, 1, err)
        with Engine(BINARY, self.path("data"), "--model", "none") as engine:
            self.import_json(file, "--url", f"http://127.0.0.1:{engine.port}")
        ids = stored_ids(self.path("data"))
        self.assertEqual((len(ids), len(set(ids))), (40_000, 40_000))

    def test_odd_answers_and_a_spoiled_resume_file(self):
        answers = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = answers.pop(0).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        file = self.write("posts.csv", as_csv([HEADER, *rows(600)]))
        url = f"http://127.0.0.1:{server.server_address[1]}"
        good = '{"accepted":500,"rejected":0,"duplicates":0,"errors":[]}'
        for odd in ('{"accepted":"many"}', '{"accepted":1,"rejected":[]}', '{"accepted":1,"duplicates":-1}',
                    '{"accepted":1,"unprocessed_from_line":9999}', "[" * 100_000):
            with self.subTest(odd[:40]):
                answers[:] = [odd]
                self.assertIn(f"{url}: answered 200: {odd[:20]}", self.run_import(file, "--url", url, status=1)[1])
        answers[:] = [good, "odd"]
        self.run_import(file, "--url", url, status=1)
        kept, = glob.glob(os.path.join(self.folder.name, "state", "tidewatch", "import-*.json"))
        for spoiled in ('{"line":"x"}', '{"line":-1}', "[1]", "{cut"):
            with self.subTest(spoiled):
                self.write(kept, spoiled.encode())
                answers[:] = ["odd"]
                _, err = self.run_import(file, "--url", url, status=1)
                self.assertIn(f"{kept}: not what was written there; the table is imported from its start", err)


if __name__ == "__main__":
    unittest.main()
