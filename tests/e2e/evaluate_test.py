# SPDX-License-Identifier: Apache-2.0
"""`tidewatch evaluate`: its figures, worked out again here from the predictions it wrote; files, maps, errors."""

import gzip
import json
import os
import pty
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
SHARED = os.path.join(ROOT, "..", "shared", "data")
EVALUATION_FILES = {
    "usual_eval": ("emotion", "emotion/smp2020_usual_eval.tsv"),
    "virus_eval": ("emotion", "emotion/smp2020_virus_eval.tsv"),
    "topic_dev": ("topic", "topic/toutiao_dev.tsv"),
}
EMOTIONS = ["angry", "fear", "happy", "neutral", "sad", "surprise"]
# Written for this test. The labels are only what the figures are taken against: some are wrong on purpose, and
# "fear" and "surprise" never occur.
ROWS = [
    ("angry", "等了三个月还不给退款,太气人了[怒]"),
    ("angry", "客服一直骗人,真的很生气"),
    ("happy", "今天升职了,太开心啦[哈哈]"),
    ("happy", "太可怕了,我吓得不敢出门"),
    ("happy", "和老朋友聚会,真高兴"),
    ("neutral", "会议改到下午三点在二楼举行"),
    ("neutral", "好难过,奶奶昨天去世了"),
    ("sad", "失恋了,一个人哭了一晚上[泪]"),
    ("sad", "真没想到居然是他,太惊讶了"),
    ("sad", "emo了,什么都不想做"),
]


def run(*arguments, stdin=None):
    return subprocess.run([BINARY, "evaluate", *arguments], input=stdin, capture_output=True, timeout=1500)


def figures(pairs):
    """(accuracy, macro-F1, per label) of (truth, predicted), over the labels that are a truth."""
    per_label = {}
    for label in sorted({truth for truth, _ in pairs}):
        hits = sum(pair == (label, label) for pair in pairs)
        support = sum(truth == label for truth, _ in pairs)
        predicted = sum(guess == label for _, guess in pairs)
        precision = hits / predicted if predicted else 0.0
        recall = hits / support
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        per_label[label] = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    accuracy = sum(truth == guess for truth, guess in pairs) / len(pairs)
    return accuracy, sum(row["f1"] for row in per_label.values()) / len(per_label), per_label


class EvaluateTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path

    def write_rows(self, name, rows, end="\n"):
        return self.write(name, "".join(f"{label}\t{text}{end}" for label, text in [("label", "text"), *rows]))

    def evaluate(self, *arguments, stdin=None):
        done = run("--json", *arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(done.stderr, b"")
        self.assertEqual(done.stdout.count(b"\n"), 1, "one object on one line")
        return json.loads(done.stdout)

    def fails(self, status, *arguments, stdin=None):
        done = run(*arguments, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stdout.decode() + done.stderr.decode())
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()

    def predictions_in(self, path):
        with open(path, encoding="utf-8", newline="\n") as lines:
            self.assertEqual(next(lines), "line\tlabel\tpredicted\tprobability\ttext\n")
            return [line.rstrip("\n").split("\t", 4) for line in lines]

    def test_figures_are_those_of_the_predictions(self):
        path = self.write_rows("eval.tsv", ROWS)
        written = os.path.join(self.folder, "predictions.tsv")
        for model in ("fast", "base"):
            with self.subTest(model=model):
                answer = self.evaluate("--task", "emotion", "--model", model, "--predictions", written, path)
                rows = self.predictions_in(written)
                self.assertEqual([(int(line), label, text) for line, label, _, _, text in rows],
                                 [(i + 2, label, text) for i, (label, text) in enumerate(ROWS)])
                self.assertEqual(answer["predictions"], [row[2] for row in rows])
                for row in rows:
                    self.assertGreater(float(row[3]), 1 / len(EMOTIONS) - 1e-6)
                    self.assertLessEqual(float(row[3]), 1.0)
                pairs = [(label, guess) for _, label, guess, _, _ in rows]
                accuracy, macro_f1, per_label = figures(pairs)
                self.assertEqual(answer["n"], len(ROWS))
                self.assertAlmostEqual(answer["accuracy"], accuracy, places=9)
                self.assertAlmostEqual(answer["macro_f1"], macro_f1, places=9)
                self.assertEqual(set(answer["per_label"]), set(per_label))
                for label, row in per_label.items():
                    for figure, value in row.items():
                        self.assertAlmostEqual(answer["per_label"][label][figure], value, places=9)
                self.assertEqual(answer["confusion"]["labels"], EMOTIONS)
                self.assertEqual(answer["confusion"]["matrix"],
                                 [[pairs.count((truth, guess)) for guess in EMOTIONS] for truth in EMOTIONS])
                for figure in ("accuracy", "macro_f1"):
                    low, high = answer[figure + "_95"]
                    self.assertTrue(0 <= low <= answer[figure] <= high <= 1, (figure, low, high))
                    self.assertLess(low, high)
                self.assertEqual((answer["model"], answer["task"], answer["precision"], answer["files"]),
                                 (model, "emotion", "fp32", [path]))
                self.assertEqual(answer["skipped"], {"unmapped": 0, "blank": 0})
                self.assertGreater(answer["posts_per_second"], 0)
                self.assertRegex(answer["version"], r"^\d+\.\d+\.\d+$")

    def test_says_the_same_twice_and_the_same_as_classify(self):
        path = self.write_rows("eval.tsv", ROWS)
        written = os.path.join(self.folder, "predictions.tsv")
        first = self.evaluate("--task", "topic", "--map", self.write("map.tsv", "\n".join(
            f"{emotion}\tstory" for emotion in EMOTIONS)), "--predictions", written, path)
        again = self.evaluate("--task", "topic", "--map", os.path.join(self.folder, "map.tsv"),
                              "--predictions", written, path)
        del first["posts_per_second"], again["posts_per_second"]
        self.assertEqual(first, again)
        texts = "".join(text + "\n" for _, text in ROWS).encode()
        done = subprocess.run([BINARY, "classify"], input=texts, capture_output=True, check=True)
        labels = [json.loads(line)["topic"]["label"] for line in done.stdout.decode().splitlines()]
        self.assertEqual(first["predictions"], labels)
        self.assertNotIn("predictions", self.evaluate("--task", "emotion", path))

    def test_takes_files_as_they_come(self):
        table = "".join(f"{label}\t{text}\n" for label, text in [("label", "text"), *ROWS]).encode()
        plain = self.evaluate("--task", "emotion", self.write("plain.tsv", table))
        windows = self.write_rows("windows.tsv", ROWS, end="\r\n")
        with open(windows, "rb") as file:
            with_mark = self.write("mark.tsv", b"\xef\xbb\xbf" + file.read())
        for name, arguments, stdin in [
            ("gzip", [self.write("rows.tsv.gz", gzip.compress(table))], None),
            ("standard input", ["-"], table),
            ("byte-order mark and CRLF", [with_mark], None),
            ("blank lines", [self.write("blank.tsv", table.replace(b"\n", b"\n\n"))], None),
            ("no line break at the end", [self.write("end.tsv", table.rstrip(b"\n"))], None),
            ("a column by name", ["--column", "text", self.write("columns.tsv", "".join(
                f"{label}\t{i}\t{text}\n" for i, (label, text) in enumerate([("label", "text"), *ROWS])
            ).replace("label\t0\t", "label\tid\t"))], None),
        ]:
            with self.subTest(name):
                answer = self.evaluate("--task", "emotion", *arguments, stdin=stdin)
                self.assertEqual(answer["n"], len(ROWS))
                self.assertEqual(answer["confusion"], plain["confusion"])
                blank = len(ROWS) + 1 if name == "blank lines" else 0
                self.assertEqual(answer["skipped"], {"unmapped": 0, "blank": blank})

    def test_several_files_count_together(self):
        first, second = self.write_rows("a.tsv", ROWS[:4]), self.write_rows("b.tsv", ROWS[4:])
        both = self.evaluate("--task", "emotion", first, second)
        whole = self.evaluate("--task", "emotion", self.write_rows("whole.tsv", ROWS))
        self.assertEqual(both["files"], [first, second])
        for key in ("n", "accuracy", "macro_f1", "accuracy_95", "macro_f1_95", "confusion"):
            self.assertEqual(both[key], whole[key], key)

    def test_an_empty_text_is_neutral_and_of_no_topic(self):
        path = self.write_rows("empty.tsv", [("neutral", ""), ("happy", "")])
        answer = self.evaluate("--task", "emotion", path)
        self.assertEqual((answer["n"], answer["accuracy"]), (2, 0.5))
        written = os.path.join(self.folder, "predictions.tsv")
        path = self.write_rows("topics.tsv", [("sports", ""), ("sports", "国足又输了一场世界杯预选赛")])
        answer = self.evaluate("--task", "topic", "--predictions", written, path)
        self.assertEqual(answer["predictions"], ["unknown", "sports"])
        self.assertEqual(answer["per_label"]["sports"]["recall"], 0.5)
        self.assertEqual(answer["confusion"]["labels"][-1], "unknown")
        self.assertEqual(sum(map(sum, answer["confusion"]["matrix"])), 2)
        self.assertEqual(self.predictions_in(written)[0], ["2", "sports", "unknown", "0.000000", ""])

    def test_maps_foreign_labels(self):
        foreign = {"angry": "anger", "happy": "like", "neutral": "none", "sad": "sadness"}
        path = self.write_rows("foreign.tsv", [(foreign[label], text) for label, text in ROWS]
                               + [("disgust", "真恶心"), ("disgust", "呸"), ("happy", "own label")])
        labels = self.write("labels.tsv", "theirs\tours\n" + "".join(
            f"{theirs}\t{ours}\n" for ours, theirs in foreign.items()))
        mapped = self.evaluate("--task", "emotion", "--map", labels, path)
        own = self.evaluate("--task", "emotion", self.write_rows("own.tsv", ROWS))
        self.assertEqual(mapped["skipped"]["unmapped"], 3)
        for key in ("n", "accuracy", "macro_f1", "per_label", "confusion"):
            self.assertEqual(mapped[key], own[key], key)
        text = run("--task", "emotion", "--map", labels, path).stdout.decode()
        self.assertIn("3 rows whose label is not mapped: 'disgust' 2, 'happy' 1", text)

    def test_text_for_people(self):
        path = self.write_rows("eval.tsv", ROWS)
        done = run("--task", "emotion", path)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = done.stdout.decode()
        self.assertNotIn("\x1b", text)
        self.assertNotIn("interval", text)
        answer = self.evaluate("--task", "emotion", path)
        self.assertIn(f"accuracy  {answer['accuracy']:.4f}", text)
        self.assertIn(f"macro-F1  {answer['macro_f1']:.4f}", text)
        low, high = answer["macro_f1_95"]
        intervals = run("--task", "emotion", "--intervals", path).stdout.decode()
        self.assertIn(f"interval {low:.4f} to {high:.4f}", intervals)
        row = answer["confusion"]["matrix"][EMOTIONS.index("happy")]
        table = text[text.index("confusion:"):].splitlines()
        self.assertEqual(table[1].split(), EMOTIONS)
        happy = next(line for line in table if line.startswith("happy"))
        self.assertEqual(happy.split()[1:], [str(count) if count else "·" for count in row])
        self.assertFalse(any(line.startswith("fear") for line in table), "no text is labelled fear")

    def test_colour_only_on_a_terminal(self):
        path = self.write_rows("eval.tsv", ROWS)
        for no_colour, wanted in (("", True), ("1", False)):
            terminal, end = pty.openpty()
            process = subprocess.Popen([BINARY, "evaluate", "--task", "emotion", path], stdout=end,
                                       stderr=subprocess.DEVNULL,
                                       env={**os.environ, "TERM": "xterm", "NO_COLOR": no_colour})
            os.close(end)
            shown = b""
            try:
                while piece := os.read(terminal, 65536):
                    shown += piece
            except OSError:  # the other end was closed
                pass
            os.close(terminal)
            self.assertEqual(process.wait(), 0)
            self.assertEqual(b"\x1b[32m" in shown, wanted, shown)

    def test_errors_name_the_place_and_the_remedy(self):
        good = self.write_rows("good.tsv", ROWS)
        labels = self.write("labels.tsv", "anger\tangry\n")
        for name, content, said in [
            ("foreign label", "label\ttext\nangry\ta\nrage\tb\n", ["bad.tsv:3:", "'rage'", *EMOTIONS, "--map"]),
            ("no tab", "label\ttext\nangry a\n", ["bad.tsv:2:", "tab"]),
            ("empty label", "label\ttext\n\ta\n", ["bad.tsv:2:", "label is empty"]),
            ("no header", "angry\ta\nangry\tb\n", ["bad.tsv:1:", "header"]),
            ("no row", "label\ttext\n", ["bad.tsv:", "no row"]),
            ("nothing", "", ["bad.tsv", "empty"]),
        ]:
            with self.subTest(name):
                error = self.fails(1, "--json", "--task", "emotion", good, self.write("bad.tsv", content))
                for part in said:
                    self.assertIn(part, error)
        for name, arguments, said in [
            ("no file", ["/nowhere/x.tsv"], ["/nowhere/x.tsv"]),
            ("map to no label", ["--map", self.write("wrong.tsv", "a\tangry\nb\trage\n"), good],
             ["wrong.tsv:2:", "'rage'", *EMOTIONS]),
            ("nothing mapped", ["--map", labels, good], ["good.tsv", "no row", "10 unmapped", "labels.tsv"]),
            ("no such column", ["--column", "body", good], ["good.tsv:1:", "'body'", "text"]),
            ("predictions into nowhere", ["--predictions", "/nowhere/p.tsv", good], ["/nowhere/p.tsv"]),
            ("predictions over the file", ["--predictions", good, good], ["--predictions", "is used by this command already"]),
            ("no such model", ["--model", "huge", good], ["'huge'", "base, fast"]),
        ]:
            with self.subTest(name):
                error = self.fails(1, "--task", "emotion", *arguments)
                for part in said:
                    self.assertIn(part, error)
        with open(good, encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), len(ROWS) + 1, "untouched")

    def test_wrong_usage(self):
        good = self.write_rows("good.tsv", ROWS)
        for arguments in ([good], ["--task", "mood", good], ["--task", "emotion"],
                          ["--task", "emotion", "--precision", "fp8", good]):
            with self.subTest(arguments=arguments):
                self.assertIn("--help", self.fails(2, *arguments))

    def test_evaluation_files_give_the_published_figures(self):
        if not os.path.isdir(SHARED):
            self.skipTest(f"{SHARED} is not there: the evaluation files are no part of the repository")
        for model in ("fast", "base"):
            with open(os.path.join(ROOT, "models", model, "metrics.json"), encoding="utf-8") as file:
                published = json.load(file)["evaluation"]
            for name, (task, path) in EVALUATION_FILES.items():
                with self.subTest(model=model, file=name):
                    answer = self.evaluate("--task", task, "--model", model, os.path.join(SHARED, path))
                    self.assertEqual(answer["n"], published[name]["n"])
                    for figure in ("accuracy", "macro_f1"):
                        self.assertAlmostEqual(answer[figure], published[name][figure], delta=0.001)
                        for mine, theirs in zip(answer[figure + "_95"], published[name][figure + "_95"]):
                            # Other draws than those of the training code.
                            self.assertAlmostEqual(mine, theirs, delta=0.01)


if __name__ == "__main__":
    unittest.main()
