# SPDX-License-Identifier: Apache-2.0
"""`tidewatch calibrate`: from texts and from a running engine's store, into a copy of the fast model; refusals."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
MODELS = os.path.join(ROOT, "models")


def run(*arguments, stdin=None):
    return subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, timeout=500)


class CalibrateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = cls.temporary.name
        cls.posts = cls.path("posts.ndjson")
        done = run("simulate", "--minutes", "2", "--rate", "60", "--seed", "5", "--output", cls.posts)
        assert done.returncode == 0, done.stderr
        slang = ["这部剧绝绝子，看得我蚌埠住了", "今天又emo了，什么都不想干", "yyds！这家店必须再来", "看完直接破防了，哭了一晚上"]
        with open(cls.posts, encoding="utf-8") as simulated:
            last = json.loads(simulated.readlines()[-1])["time"]  # without a time they would be of now
        with open(cls.posts, "a", encoding="utf-8") as out:
            for i in range(60):
                post = {"text": f"{slang[i % 4]}，第{i}次说", "time": last}
                out.write(json.dumps(post, ensure_ascii=False) + "\n")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    def calibrate(self, *arguments, fails=False):
        done = run("calibrate", "--models-dir", MODELS, "--model", "fast", "--size", "96", "--json", *arguments)
        if fails:
            self.assertEqual(done.returncode, 1, done.stdout.decode())
        else:
            self.assertEqual(done.returncode, 0, done.stderr.decode())
        return (json.loads(done.stdout) if done.stdout else None), done.stderr.decode()

    def test_from_texts_to_a_model_that_runs(self):
        models = self.path("models")
        report, warnings = self.calibrate("--texts", self.posts, "--output", os.path.join(models, "fast"),
                                          "--method", "minmax", "--method", "entropy", "--allow-drop")
        self.assertTrue(report["written"])
        self.assertIn(report["method"], ("minmax", "entropy"))
        self.assertEqual(report["set"]["texts"], 96)
        strata = {row["stratum"]: row for row in report["set"]["strata"]}
        self.assertGreaterEqual(strata["slang"]["found"], 60)
        self.assertGreaterEqual(strata["slang"]["drawn"], 15)
        for name, row in strata.items():
            self.assertEqual(row["drawn"] == 0, f"'{name}'" in warnings, name)
        self.assertEqual({row["source"] for row in report["evaluation"]}, {"set"})

        with open(os.path.join(models, "fast", "manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        with open(os.path.join(models, "fast", "int8.json"), "rb") as file:
            data = file.read()
        self.assertEqual(manifest["calibration"],
                         {"file": "int8.json", "sha256": hashlib.sha256(data).hexdigest()})
        recipe = json.loads(data)
        self.assertEqual(recipe["model_sha256"], manifest["weights"]["sha256"])
        self.assertNotIn(self.folder, data.decode(), "no path is written")
        self.assertEqual(len(recipe["layers"]), report["layers"])

        texts = "今天真开心\n气死我了，退款三个月还不到账\n".encode()
        answers = {}
        for precision in ("fp32", "int8"):
            done = run("classify", "--models-dir", models, "--model", "fast", "--precision", precision, stdin=texts)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            answers[precision] = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertNotEqual(answers["fp32"], answers["int8"])
        self.assertEqual([a["emotion"]["label"] for a in answers["fp32"]],
                         [a["emotion"]["label"] for a in answers["int8"]])

        # Replays agree byte for byte, in INT8 too.
        replays = [run("replay", self.posts, "--models-dir", models, "--precision", "int8", "--json")
                   for _ in range(2)]
        alerts = [json.loads(done.stdout)["alerts"] for done in replays]
        self.assertEqual(alerts[0], alerts[1])

        # A recipe of other weights, a truncated one, none.
        recipe_file = os.path.join(models, "fast", "int8.json")
        with open(recipe_file, "wb") as file:
            file.write(data[:-20])
        done = run("classify", "--models-dir", models, "--model", "fast", "--precision", "int8", stdin=texts)
        self.assertEqual(done.returncode, 1)
        self.assertIn("int8.json: sha256 is", done.stderr.decode())
        again, _ = self.calibrate("--texts", self.posts, "--output", os.path.join(models, "fast"),
                                  "--method", report["method"], "--allow-drop")
        self.assertTrue(again["written"], "a damaged recipe is made again")
        del manifest["calibration"]
        with open(os.path.join(models, "fast", "manifest.json"), "w", encoding="utf-8") as file:
            json.dump(manifest, file)
        done = run("classify", "--models-dir", models, "--model", "fast", "--precision", "int8", stdin=texts)
        self.assertEqual(done.returncode, 1)
        self.assertIn("tidewatch calibrate --model fast", done.stderr.decode())

    def test_from_the_store_of_a_running_engine(self):
        data_dir = self.path("data")
        with open(self.posts, "rb") as file:
            body = b"".join(file.readlines()[-2000:])  # the engine takes 4,096 at once
        with Engine(BINARY, data_dir, "--model", "none") as engine:
            status, _, answer = engine.request("POST", "/v1/posts", body,
                                               {"Content-Type": "application/x-ndjson"})
            self.assertEqual(status, 200, answer)
            report, _ = self.calibrate("--from-store", "--since", "90d", "--data-dir", data_dir,
                                       "--method", "minmax", "--dry-run")
            self.assertFalse(report["written"])
            lines = [json.loads(line) for line in body.decode().splitlines()]
            self.assertEqual(report["set"]["texts_read"], sum(bool(post["text"]) for post in lines))
            self.assertIn("last 90d", report["set"]["source"])
            self.assertEqual(engine.request("GET", "/healthz")[0], 200)

    def test_the_slang_may_be_left_out(self):
        report, warnings = self.calibrate("--texts", self.posts, "--exclude-slang", "--method", "minmax", "--dry-run")
        strata = {row["stratum"]: row for row in report["set"]["strata"]}
        self.assertGreater(strata["slang"]["found"], 0)
        self.assertEqual(strata["slang"]["drawn"], 0)
        self.assertIn("'slang'", warnings)

    def test_too_few_texts_prove_nothing(self):
        out = self.path("unproven")
        report, error = self.calibrate("--texts", self.posts, "--method", "minmax", "--output", out, fails=True)
        self.assertFalse(report["written"])
        self.assertIn("on 48 texts, fewer than 200", error)
        self.assertFalse(os.path.exists(out))

    def test_a_damaged_calibration_harms_int8_only(self):
        models = self.path("damaged")
        self.calibrate("--texts", self.posts, "--method", "minmax", "--output", os.path.join(models, "fast"),
                       "--allow-drop")
        os.remove(os.path.join(models, "fast", "int8.json"))
        for precision, status in (("fp32", 0), ("auto", 0), ("int8", 1)):
            done = run("classify", "--models-dir", models, "--model", "fast", "--precision", precision, stdin=b"x\n")
            self.assertEqual(done.returncode, status, done.stderr.decode())
        self.assertIn("--precision fp32", done.stderr.decode())

    def test_a_line_of_brackets_takes_linear_time(self):
        # Seconds, or minutes when every bracket looked for its partner; the limit is the test's own.
        hostile = self.path("brackets.txt")
        with open(hostile, "w", encoding="utf-8") as file:
            file.write("[" * 1_000_000 + "]\n")
        _, error = self.calibrate("--texts", hostile, "--dry-run", fails=True)
        self.assertIn("1 different texts were found", error)

    def test_a_drop_is_refused(self):
        # Ranges that cut off half of every tensor ruin the model.
        out = self.path("ruined")
        report, error = self.calibrate("--texts", self.posts, "--method", "percentile-50", "--output", out,
                                       fails=True)
        if report is None:
            self.assertIn("no layer can be quantised", error)
        else:
            self.assertFalse(report["written"])
            self.assertIn("--allow-drop", error)
        self.assertFalse(os.path.exists(os.path.join(out, "int8.json")))

    def test_a_drop_against_the_truth_is_refused_unless_allowed(self):
        # The truth is what INT8 gets wrong: FP32's labels where the two differ, so that the drop is certain.
        with open(self.posts, encoding="utf-8") as file:
            texts = sorted({json.loads(line)["text"] for line in file} - {""})
        models = self.path("drop")
        ranges = ("--texts", self.posts, "--method", "percentile-99.9")
        self.calibrate(*ranges, "--output", os.path.join(models, "fast"), "--allow-drop")
        labels = {}
        for precision in ("fp32", "int8"):
            done = run("classify", "--models-dir", models, "--model", "fast", "--precision", precision,
                       stdin="\n".join(texts).encode())
            labels[precision] = [json.loads(line)["topic"]["label"] for line in done.stdout.splitlines()]
        rows = [(fp32, text) for fp32, int8, text in zip(labels["fp32"], labels["int8"], texts) if fp32 != int8]
        if not rows:
            self.skipTest("INT8 says of every text what FP32 says")
        truth = self.path("truth.tsv")
        with open(truth, "w", encoding="utf-8") as file:
            file.write("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows))
        refused = self.path("refused")
        report, error = self.calibrate(*ranges, "--evaluate", f"topic={truth}", "--output", refused, fails=True)
        self.assertFalse(report["written"])
        self.assertIn("not written: INT8 drops 100.00 points of macro-F1 (topic on truth.tsv)", error)
        self.assertFalse(os.path.exists(refused))
        report, _ = self.calibrate(*ranges, "--evaluate", f"topic={truth}", "--output", refused, "--allow-drop")
        self.assertTrue(report["written"])
        row = next(row for row in report["evaluation"] if row["truth"])
        self.assertEqual((row["macro_f1_fp32"], row["macro_f1_int8"]), (1, 0))

    def test_says_what_is_wrong(self):
        few = self.path("few.txt")
        with open(few, "w", encoding="utf-8") as file:
            file.write("今天\n明天\n")
        cases = [
            ((), "nothing to draw from"),
            (("--texts", few), "2 different texts were found"),
            (("--texts", self.path("none.txt")), "none.txt"),
            (("--texts", self.posts, "--method", "best"), "must be minmax, entropy or percentile-P"),
            (("--from-store", "--since", "3 days", "--data-dir", self.folder), "such as 90d"),
            (("--from-store", "--data-dir", self.path("nowhere")), "posts.db: no such file"),
            (("--texts", self.posts, "--method", "minmax", "--evaluate", "mood=x"), "emotion=FILE or topic=FILE"),
        ]
        for arguments, expected in cases:
            with self.subTest(expected):
                _, error = self.calibrate(*arguments, "--dry-run", fails=True)
                self.assertIn(expected, error)
        done = run("calibrate", "--models-dir", MODELS, "--model", "auto", "--texts", self.posts)
        self.assertIn("name one model", done.stderr.decode())


if __name__ == "__main__":
    unittest.main(verbosity=2)
