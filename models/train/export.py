# SPDX-License-Identifier: Apache-2.0
"""Stage 6: writes models/NAME/: model.onnx, vocab.txt, manifest.json, parity.json, metrics.json, pictures, card.

    export.py --name base --weights WORK/base.safetensors --logs WORK --shared ../../../shared [--models ..]
    export.py --name large --random --models WORK/models --shared ../../../shared

The metrics are those of the exported file, run by OpenVINO on the CPU in FP32; parity.json holds PyTorch's
answers with the same FP16-rounded weights. `--precision fp32` stores the weights in FP32 (twice the size; the
bundled models are FP16). `large` (12 layers, 768 wide) exists for benchmarks: random weights, marked as such.
"""
import argparse
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import card
import metrics
from corpus import SOURCES, bert_tokenizer, read_rows
from graphs import load_onnx, make_graph
from labels import EXPORTED, NEGATIVE, TASKS
from networks import BaseModel, FastModel, head_sizes

FORMAT, VERSION = 1, "2026.11.2"
DESCRIPTIONS = {
    "base": "bge-small-zh-v1.5 (4 layers, 512 wide), trained further on Weibo texts, fine-tuned for "
            "emotion and topic as one student of forty teachers",
    "fast": "Convolutional student (128 wide, 2 layers, kernel 3, hashed bigrams) distilled from base",
    "large": "RANDOM WEIGHTS, for speed benchmarks only: 12 layers, 768 wide",
}
TRAINED_ON = ["SMP2020-EWECT usual and virus (train)", "Toutiao headlines (train)",
              "Weibo eight-emotion sets", "shopping, takeaway and hotel reviews",
              "CED reposts and originals (no labels)", "Weibo hot-search titles (no labels)"]
LARGE = {"width": 768, "layers": 12, "heads": 12, "inner": 3072}


def load_model(name, weights):
    """The network with weights rounded to FP16, computing in FP32."""
    model = FastModel(head_sizes()) if name == "fast" else BaseModel(head_sizes())
    model.load_state_dict({key: value.float() for key, value in load_file(weights).items()})
    for norm in getattr(model, "norms", []):  # folded: the identity, exactly
        norm.variance.fill_(1.0 - norm.eps)
    return model.eval()


def random_large(seed=1):
    torch.manual_seed(seed)
    model = BaseModel(head_sizes(), **LARGE)
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
            torch.nn.init.normal_(module.weight, std=0.02)
    return model.half().float().eval()


def pad(rows):
    seq = max(len(row) for row in rows)
    ids = np.zeros((len(rows), seq), np.int32)
    mask = np.zeros((len(rows), seq), np.int32)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = row
        mask[i, :len(row)] = 1
    return ids, mask


def openvino_model(path, threads=2):
    import openvino
    core = openvino.Core()
    return core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1",
                                                 "INFERENCE_NUM_THREADS": str(threads)})


def score(path, tokenizer, shared):
    """Metrics of the exported file on the evaluation files."""
    compiled = openvino_model(path)
    results = {}
    for source in SOURCES:
        if source.split != "eval":
            continue
        rows = list(read_rows(shared / "data" / source.path, source.column))
        names = TASKS[source.task]
        truth = [names.index(row[0]) for row in rows]
        ids = [encoding.ids for encoding in tokenizer.encode_batch([row[1] for row in rows])]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        guess = np.zeros(len(ids), np.int64)
        for start in range(0, len(order), 32):
            part = order[start:start + 32]
            answer = compiled(pad([ids[i] for i in part]))
            guess[part] = answer[f"{source.task}_logits"].argmax(1)
        results[source.name] = {"task": source.task, **metrics.summarise(truth, guess, names)}
    return results


def parity(model, tokenizer, texts):
    cases = []
    with torch.no_grad():
        for text in texts:
            ids = tokenizer.encode(text).ids
            row = torch.tensor([ids])
            logits = model(row, torch.ones_like(row, dtype=torch.bool))
            cases.append({"text": text, "input_ids": ids,
                          **{f"{task}_logits": [round(v, 6) for v in logits[task][0].tolist()]
                             for task in logits}})
    return cases


def write_folder(folder, model, name, version, description, labels, negative, vocabulary, trained_on,
                 precision="fp16"):
    """Writes model.onnx, vocab.txt, parity.json and manifest.json; gives the manifest and the tokenizer.

    `labels` is {task: names in the order of the head's outputs}. An INT8 recipe of earlier weights is removed:
    it no longer fits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights, words = folder / "model.onnx", folder / "vocab.txt"
    graph = make_graph(model, name, version, labels, precision)
    weights.write_bytes(graph.SerializeToString(deterministic=True))
    if not words.exists() or not words.samefile(vocabulary):
        shutil.copyfile(vocabulary, words)
    (folder / "int8.json").unlink(missing_ok=True)
    tokenizer = bert_tokenizer(words)
    texts = json.loads((Path(__file__).parent / "parity_texts.json").read_text(encoding="utf-8"))
    (folder / "parity.json").write_text(json.dumps(
        {"model": name, "version": version, "weights_sha256": digest(weights), "tolerance": 1e-4,
         "cases": parity(model, tokenizer, texts)},
        ensure_ascii=False, indent=None, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n",
        encoding="utf-8")
    shape = ["batch", "seq"]
    manifest = {
        "format": FORMAT, "name": name, "version": version,
        "description": description, "max_length": 512, "precision": "fp32",
        "weights": {"file": weights.name, "sha256": digest(weights), "bytes": weights.stat().st_size},
        "vocabulary": {"file": words.name, "sha256": digest(words),
                       "size": tokenizer.get_vocab_size(), "lower_case": True},
        "inputs": [{"name": "input_ids", "dtype": "int32", "shape": shape},
                   {"name": "attention_mask", "dtype": "int32", "shape": shape}],
        "tasks": [{"name": "emotion", "output": "emotion_logits", "labels": labels["emotion"],
                   "negative": negative},
                  {"name": "topic", "output": "topic_logits", "labels": labels["topic"]}],
        "trained_on": trained_on,
    }
    write_manifest(folder, manifest)
    return manifest, tokenizer


def write_manifest(folder, manifest):
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n",
                                          encoding="utf-8")


def training_log(name, logs):
    """{stage: its records} of the stages that made this model."""
    log = {}
    for path in sorted(logs.glob("*.jsonl")) if logs else []:
        records = [json.loads(line) for line in path.read_text().splitlines()]
        log[path.stem] = [r for r in records if "epoch" in r or "loss" in r]
    return {stage: log[stage] for stage in log
            if re.fullmatch(r"fast_\d+" if name == "fast" else r"pretrain|base_\d+", stage)}


def teachers_table(logs):
    """{teacher: its mean scores over the folds}: of the fold that it never saw, and of the evaluation files."""
    path = logs / "teachers.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    table = {}
    for name in dict.fromkeys(row["teacher"] for row in rows):
        mine = [row for row in rows if row["teacher"] == name]
        keys = [key for key in ("usual", "virus", "toutiao", "usual_f1", "virus_f1", "topic_accuracy")
                if key in mine[0]]
        table[name] = {key: round(sum(row[key] for row in mine) / len(mine), 4) for key in keys}
    for path in sorted(logs.glob("base_[0-9]*.jsonl")):
        first = json.loads(path.read_text().splitlines()[0])
        if first.get("event") == "teachers":
            table["all"] = {key: value for key, value in first.items() if key not in ("event", "seconds")}
    return table


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", choices=list(DESCRIPTIONS), required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", type=Path, help="what train_base.py or distill_fast.py wrote")
    source.add_argument("--onnx", type=Path, help="an exported model.onnx: written anew with its own weights")
    source.add_argument("--random", action="store_true", help="random weights (large only)")
    parser.add_argument("--logs", type=Path, help="folder with the stages' .jsonl, kept in metrics.json")
    parser.add_argument("--precision", choices=["fp16", "fp32"], default="fp16", help="of the stored weights")
    parser.add_argument("--shared", type=Path, default=Path("../../../shared"))
    parser.add_argument("--models", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    if options.random != (options.name == "large"):
        parser.error("--random goes with --name large, and large has random weights only")
    folder = options.models / options.name
    if options.random:
        model = random_large()
    else:
        model = load_onnx(options.onnx) if options.onnx else load_model(options.name, options.weights)
    manifest, tokenizer = write_folder(
        folder, model, options.name, VERSION, DESCRIPTIONS[options.name],
        {task: TASKS[task] for task in EXPORTED}, NEGATIVE,
        options.shared / "models/bge-small-zh-v1.5/vocab.txt",
        [] if options.random else TRAINED_ON, options.precision)
    if options.random:
        return
    scores = score(folder / "model.onnx", tokenizer, options.shared)
    for name, result in scores.items():
        metrics.draw_confusion(folder / f"confusion_{name}.png", result["confusion"],
                               TASKS[result["task"]], f"{options.name}: {name} (n = {result['n']})")
    earlier = folder / "metrics.json"
    log = training_log(options.name, options.logs)
    teachers = teachers_table(options.logs) if options.logs and options.name == "base" else {}
    if not log and earlier.exists():
        kept = json.loads(earlier.read_text(encoding="utf-8"))
        log, teachers = kept["training_log"], kept.get("teachers", {})
    record = {"model": options.name, "version": VERSION, "evaluation": scores, "training_log": log,
              "teachers": teachers}
    earlier.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    metrics.draw_curves(folder / "curves.png", log, options.name)
    manifest["metrics"] = {name: {key: result[key] for key in ("task", "n", "accuracy", "macro_f1")}
                           for name, result in scores.items()}
    write_manifest(folder, manifest)
    card.write(folder, record)
    print(json.dumps(manifest["metrics"], indent=1), manifest["weights"]["bytes"])


if __name__ == "__main__":
    main()
