# SPDX-License-Identifier: Apache-2.0
"""Checks that a file gives the same labels through PyTorch and through the engine.

    parity_check.py --tidewatch ../../build/release/bin/tidewatch --task emotion FILE.tsv... [--model fast]

Reads the committed model.onnx back into the PyTorch network (the same FP16-rounded weights), labels every text
of each file with it in FP32, and compares with `tidewatch evaluate --predictions` in FP32. The tokenizer here
is Hugging Face's, the one there is the engine's own, so its ids are checked along the way. Exit status 1 when
fewer than --least of the labels of a file agree.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from corpus import bert_tokenizer
from graphs import load_onnx

MODELS = Path(__file__).resolve().parent.parent
BATCH = 32


def read_texts(path):
    """The texts after the header, by the engine's rules."""
    lines = path.read_bytes().decode("utf-8-sig", errors="replace").split("\n")
    rows = [line.removesuffix("\r") for line in lines[1:]]
    return [row.split("\t", 1)[1] for row in rows if row]


@torch.inference_mode()
def pytorch_probabilities(model, tokenizer, texts, task):
    """[texts, labels]; texts of like length share a batch, padded."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    answers = [None] * len(ids)
    for start in range(0, len(order), BATCH):
        part = order[start:start + BATCH]
        longest = max(len(ids[i]) for i in part)
        rows = torch.zeros(len(part), longest, dtype=torch.long)
        mask = torch.zeros(len(part), longest, dtype=torch.bool)
        for row, i in enumerate(part):
            rows[row, :len(ids[i])] = torch.tensor(ids[i])
            mask[row, :len(ids[i])] = True
        for i, answer in zip(part, model(rows, mask)[task].softmax(1).numpy()):
            answers[i] = answer
    return np.array(answers)


def engine_answers(tidewatch, models, name, task, path):
    """(labels, their probabilities, the evaluation) as the engine gives them."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "predictions.tsv"
        done = subprocess.run(
            [tidewatch, "evaluate", "--models-dir", models, "--model", name, "--task", task, "--precision", "fp32",
             "--json", "--predictions", written, path], check=True, capture_output=True)
        rows = written.read_text(encoding="utf-8").split("\n")[1:-1]
    answer = json.loads(done.stdout)
    assert [row.split("\t", 4)[2] for row in rows] == answer["predictions"]
    return answer["predictions"], np.array([float(row.split("\t", 4)[3]) for row in rows]), answer


def compare(options, name, path):
    manifest = json.loads((options.models / name / "manifest.json").read_text(encoding="utf-8"))
    labels = next(task["labels"] for task in manifest["tasks"] if task["name"] == options.task)
    model = load_onnx(options.models / name / manifest["weights"]["file"]).float().eval()
    tokenizer = bert_tokenizer(options.models / name / manifest["vocabulary"]["file"])
    texts = read_texts(path)
    theirs, probabilities, answer = engine_answers(options.tidewatch, options.models, name, options.task, path)
    if len(texts) != len(theirs) or not all(texts):
        sys.exit(f"{path}: {len(texts)} texts here, {len(theirs)} in the engine; empty texts are not compared")
    mine = pytorch_probabilities(model, tokenizer, texts, options.task)
    guess = mine.argmax(1)
    same = np.array([labels[g] == label for g, label in zip(guess, theirs)])
    apart = np.abs(mine[np.arange(len(mine)), [labels.index(label) for label in theirs]] - probabilities)
    return {"model": name, "file": path.name, "n": len(texts), "same": int(same.sum()),
            "share": float(same.mean()), "probability_difference_max": float(apart.max()),
            "macro_f1_engine": answer["macro_f1"], "accuracy_engine": answer["accuracy"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--tidewatch", type=Path, default=MODELS.parent / "build/release/bin/tidewatch")
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--model", nargs="+", default=["base", "fast"])
    parser.add_argument("--task", choices=["emotion", "topic"], required=True)
    parser.add_argument("--least", type=float, default=0.999, help="share of labels that must agree")
    options = parser.parse_args()
    failed = False
    for name in options.model:
        for path in options.files:
            result = compare(options, name, path)
            failed |= result["share"] < options.least
            print(json.dumps(result), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
