# SPDX-License-Identifier: Apache-2.0
"""Tests of bench/ced_to_ndjson. Run: python3 bench/ced_to_ndjson_test.py"""
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CED = HERE.parent.parent / "shared/data/stream/ced_reposts.tsv.zst"
HEADER = "unix_ts\tevent_id\tkind\tuser_hash\ttext\n"


def run(text, *arguments):
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return subprocess.run([sys.executable, HERE / "ced_to_ndjson", *arguments], input=data,
                          capture_output=True, check=False)


def posts(result):
    # Not splitlines(): U+2028 and others are no line ends in NDJSON.
    return [json.loads(line) for line in result.stdout.decode("utf-8").split("\n")[:-1]]


class CedToNdjson(unittest.TestCase):
    def test_a_row_becomes_a_post(self):
        result = run(HEADER + "1291264266\t2547\trumor\t787d43ee288a\t转发\t一下\"\\\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(posts(result), [{
            "id": "ced-1", "time": 1291264266, "source": "ced", "author": "787d43ee288a",
            "repost_of": "ced-event-2547", "ced_kind": "rumor", "text": "转发\t一下\"\\"}])

    def test_every_row_gives_exactly_one_line(self):
        texts = ["", " ", "a\u2028b", "x\x85y", "\x0b\x0c\x1c", "\r", "{}", "😭", "\x00"]
        rows = "".join(f"{n}\t1\tnon-rumor\tu{n}\t{text}\n" for n, text in enumerate(texts))
        for end in (rows, rows.removesuffix("\n")):
            result = run(HEADER + end)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stdout.count(b"\n"), len(texts))
            self.assertEqual([p["text"] for p in posts(result)], texts)
            self.assertEqual([p["id"] for p in posts(result)],
                             [f"ced-{n}" for n in range(1, len(texts) + 1)])

    def test_invalid_utf8_becomes_the_replacement_character(self):
        result = run(HEADER.encode() + b"1\t1\trumor\tu\ta\xffb\n")
        self.assertEqual(posts(result)[0]["text"], "a\ufffdb")

    def test_complaints_name_the_row(self):
        for rows, message in (("1\t1\trumor\tu\tok\n1\t2\n", "row 2: 2 columns"),
                              ("then\t1\trumor\tu\tok\n", "row 1: the time"),
                              ("-5\t1\trumor\tu\tok\n", "row 1: the time")):
            result = run(HEADER + rows)
            self.assertEqual(result.returncode, 1)
            self.assertIn(message, result.stderr.decode())
        self.assertEqual(run("a\tb\n").returncode, 1)
        self.assertEqual(run("").returncode, 1)
        self.assertEqual(run("", "a", "b", "c").returncode, 2)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "in.tsv.gz"), pathlib.Path(folder, "out")
            source.write_bytes(gzip.compress((HEADER + "7\t8\trumor\tu\t好\n").encode()))
            result = run("", str(source), str(target))
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(json.loads(target.read_text("utf-8"))["time"], 7)

    @unittest.skipUnless(CED.exists(), f"{CED} is not there")
    def test_the_real_file_loses_nothing(self):
        source = subprocess.run(["zstd", "-dcq", CED], capture_output=True, check=True).stdout
        rows = source.split(b"\n")[1:-1]
        result = run("", str(CED))
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.split(b"\n")[:-1]
        self.assertEqual(len(lines), len(rows))
        self.assertEqual(len(lines), 954_813)
        for number in list(range(0, len(lines), 997)) + [len(lines) - 1]:
            post = json.loads(lines[number])
            cells = rows[number].decode("utf-8").split("\t")
            self.assertEqual(post["id"], f"ced-{number + 1}")
            self.assertEqual([str(post["time"]), post["repost_of"].removeprefix("ced-event-"),
                              post["ced_kind"], post["author"], post["text"]], cells)


if __name__ == "__main__":
    unittest.main()
