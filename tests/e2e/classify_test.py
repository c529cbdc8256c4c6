# SPDX-License-Identifier: Apache-2.0
"""`tidewatch classify` with the cascade, and with a model that labels tokens."""

import hashlib
import json
import pathlib
import subprocess
import tempfile
import unittest

import numpy
import openvino
from openvino import opset13 as ops

from engine import Engine, binary_from_environment

BINARY = binary_from_environment()


def classify(text, *arguments):
    done = subprocess.run([BINARY, "classify", *arguments], input=text, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_tiny_model(folder, sequence):
    """Seven words; output word_scores is a look-up, the others its mean over the text."""
    table = numpy.array([[0, 0, 0], [0, 0, 0], [0, 0, 90], [0, 0, 90], [2, 1, 0], [0, 1, 3], [0, 2, 1]], numpy.float32)
    ids = ops.parameter([-1, -1], numpy.int32, name="input_ids")
    mask = ops.parameter([-1, -1], numpy.int32, name="attention_mask")
    for node in (ids, mask):
        node.output(0).set_names({node.get_friendly_name()})
    opened = ops.unsqueeze(ops.convert(mask, "f32"), numpy.array([2]))
    words = ops.multiply(ops.gather(table, ids, numpy.array(0)), opened)
    words.output(0).set_names({"word_scores"})
    outputs = [words]
    for name in ("emotion_logits", "topic_logits"):
        mean = ops.reduce_mean(words, numpy.array([1]), False)
        mean.output(0).set_names({name})
        outputs.append(mean)
    openvino.save_model(openvino.Model(outputs, [ids, mask], "tiny"), folder / "model.xml", compress_to_fp16=False)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n天\n地\n人\n", encoding="utf-8")
    entry = {name: {"file": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
             for name in ("model.xml", "vocab.txt")}
    (folder / "manifest.json").write_text(json.dumps({
        "format": 1, "name": "tiny", "version": "1", "precision": "fp32", "max_length": 512,
        "weights": entry["model.xml"], "vocabulary": {**entry["vocab.txt"], "size": 7}, "sequence": sequence,
        "tasks": [{"name": "emotion", "output": "emotion_logits", "labels": ["angry", "neutral", "sad"],
                   "negative": ["angry", "sad"]},
                  {"name": "topic", "output": "topic_logits", "labels": ["car", "edu", "game"]}],
    }), encoding="utf-8")


class ClassifyTest(unittest.TestCase):
    def test_prints_the_labels_of_tokens_as_the_manifest_decodes_them(self):
        sequence = {"name": "words", "output": "word_scores", "labels": ["O", "B", "I"]}
        viterbi = {"decoder": "viterbi", "transitions": [[0, 0, None], [0, 0, 0], [0, 0, 0]],
                   "start": [0, 0, None], "end": [0, 0, 0]}
        for decoder, expected in [(viterbi, ["B", "I", "O"]), ({"decoder": "argmax"}, ["O", "I", "O"])]:
            with self.subTest(decoder=decoder["decoder"]), tempfile.TemporaryDirectory() as models:
                folder = pathlib.Path(models) / "tiny"
                folder.mkdir()
                write_tiny_model(folder, {**sequence, **decoder})
                answers = classify("天地天\n\n人地\n", "--models-dir", models, "--model", "tiny")
                self.assertEqual([a["sequence"] for a in answers], [expected, [], ["B", "I"]])
                self.assertIn(answers[0]["emotion"]["label"], ["angry", "neutral", "sad"])

    def test_the_cascade_says_which_model_answered(self):
        texts = ["今天真开心[哈哈]", "国足又输了", "", "唉", "这也行？", "好吧", "无语了", "真的吗"]
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write("[cascade]\nemotion_margin = 0.9\n")
            config.flush()
            runs = {name: classify("\n".join(texts) + "\n", "--config", config.name, "--model", name)
                    for name in ("fast", "base", "auto")}
        answered = set()
        for text, fast, base, auto in zip(texts, runs["fast"], runs["base"], runs["auto"]):
            self.assertNotIn("sequence", auto)
            model = auto.pop("model")
            answered.add(model)
            self.assertEqual(auto, {"fast": fast, "base": base, None: fast}[model], text)
            best, second = sorted(fast["emotion"]["probabilities"].values())[:-3:-1]
            self.assertEqual(model, None if not text else "base" if best - second < 0.9 else "fast")
        self.assertEqual(answered, {"fast", "base", None}, "the texts are meant to show all three")


class ServedCascadeTest(unittest.TestCase):
    def test_api_and_metrics_tell_both_models(self):
        with tempfile.TemporaryDirectory() as folder, Engine(BINARY, folder, "--model", "auto") as engine:
            models = engine.get("/v1/models")
            self.assertEqual([m["name"] for m in models["models"]], ["fast", "base"])
            self.assertEqual(models["cascade"]["name"], "auto")
            status, _, answer = engine.request("POST", "/v1/classify", '{"texts":["好吧",""],"model":"auto"}'.encode())
            self.assertEqual((status, answer["model"]), (200, "auto"))
            self.assertIn(answer["results"][0]["model"], ["fast", "base"])
            self.assertIsNone(answer["results"][1]["model"])
            engine.post_lines([{"text": f"第{i}次 好吧"} for i in range(50)])
            self.assertEqual(engine.get("/v1/stats")["model"], "auto")
            metrics = dict(line.rsplit(" ", 1) for line in engine.get("/metrics").decode().splitlines() if line[0] != "#")
            answered = [float(v) for k, v in metrics.items() if k.startswith("tidewatch_answered_total")]
            self.assertEqual(len(answered), 2)
            self.assertEqual(sum(answered), 51)
            self.assertIn('tidewatch_cascade_skipped_total{reason="full"}', metrics)
            self.assertIn('tidewatch_queue_depth{queue="escalation"}', metrics)


if __name__ == "__main__":
    unittest.main(verbosity=2)
