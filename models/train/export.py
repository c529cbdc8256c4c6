# SPDX-License-Identifier: Apache-2.0
"""Stage 5: writes models/NAME/: model.onnx, vocab.txt, manifest.json, parity.json, metrics.json, pictures.

    export.py --weights WORK/base.safetensors --name base --logs WORK --shared ../../../shared --models ..

The graph is built node by node (opset 17). Every weight is an FP16 initializer followed by a Cast to
FP32, so the file is small and the arithmetic is FP32. The metrics are those of the exported file, run by
OpenVINO on the CPU in FP32; parity.json holds PyTorch's answers with the same rounded weights.
"""
import argparse
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file

import metrics
from corpus import SOURCES, bert_tokenizer, read_rows
from labels import EXPORTED, NEGATIVE, TASKS
from networks import BIGRAM_BUCKETS, BIGRAM_FACTOR, BaseModel, FastModel

FORMAT, VERSION, OPSET = 1, "2026.11.1", 17
DESCRIPTIONS = {
    "base": "bge-small-zh-v1.5 (4 layers, 512 wide), trained further on Weibo texts, fine-tuned for "
            "emotion and topic; four teachers merged into one",
    "fast": "Convolutional student (128 wide, 2 layers, kernel 3, hashed bigrams) distilled from base",
}
TRAINED_ON = ["SMP2020-EWECT usual and virus (train)", "Toutiao headlines (train)",
              "Weibo eight-emotion sets", "shopping, takeaway and hotel reviews",
              "CED reposts and originals (no labels)", "Weibo hot-search titles (no labels)"]


class Graph:
    """Collects nodes and FP16 weights; every method returns the name of its result."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def add(self, kind, *inputs, result=None, **attributes):
        self.count += 1
        result = result or f"{kind.lower()}_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [result], name=f"n{self.count}_{kind}",
                                           **attributes))
        return result

    def constant(self, value, dtype):
        self.count += 1
        name = f"constant_{self.count}"
        self.weights.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def weight(self, name, tensor):
        half = tensor.detach().contiguous().numpy().astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"{name} does not fit in FP16")
        self.weights.append(numpy_helper.from_array(half, name))
        return self.add("Cast", name, to=TensorProto.FLOAT)

    def linear(self, name, x, layer, rows=slice(None)):
        product = self.add("MatMul", x, self.weight(f"{name}.weight", layer.weight[rows].T))
        return self.add("Add", product, self.weight(f"{name}.bias", layer.bias[rows]))

    def normalise(self, name, x, norm):
        return self.add("LayerNormalization", x, self.weight(f"{name}.weight", norm.weight),
                        self.weight(f"{name}.bias", norm.bias), axis=-1, epsilon=norm.eps)

    def gelu(self, x):
        erf = self.add("Erf", self.add("Div", x, self.constant(np.sqrt(2.0), np.float32)))
        scaled = self.add("Mul", x, self.add("Add", erf, self.constant(1.0, np.float32)))
        return self.add("Mul", scaled, self.constant(0.5, np.float32))

    def finish(self, name, outputs):
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT32, ["batch", "seq"])
                  for n in ("input_ids", "attention_mask")]
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", size])
                   for n, size in outputs.items()]
        graph = helper.make_graph(self.nodes, name, inputs, results, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
                                  producer_name="tidewatch", producer_version=VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model


def base_graph(model: BaseModel):
    g = Graph()
    encoder = model.encoder
    width = encoder.word.embedding_dim
    words = g.add("Gather", g.weight("word", encoder.word.weight), "input_ids")
    seq = g.add("Slice", g.add("Shape", "input_ids"), g.constant([1], np.int64), g.constant([2], np.int64))
    positions = g.add("Slice", g.weight("position", encoder.position.weight), g.constant([0], np.int64),
                      seq, g.constant([0], np.int64))
    x = g.normalise("norm", g.add("Add", words, positions), encoder.norm)
    share = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    closed = g.add("Sub", g.constant(1.0, np.float32), share)
    closed = g.add("Mul", closed, g.constant(-10000.0, np.float32))
    closed = g.add("Unsqueeze", closed, g.constant([1, 2], np.int64))
    for i, layer in enumerate(encoder.layers):
        name = f"layer{i}"
        heads = g.constant([0, 0, layer.heads, width // layer.heads], np.int64)

        def part(index, label, order):
            rows = slice(index * width, (index + 1) * width)
            y = g.linear(f"{name}.{label}", x, layer.qkv, rows)
            return g.add("Transpose", g.add("Reshape", y, heads), perm=order)

        query, key = part(0, "query", [0, 2, 1, 3]), part(1, "key", [0, 2, 3, 1])
        value = part(2, "value", [0, 2, 1, 3])
        scale = g.constant((width // layer.heads) ** -0.5, np.float32)
        scores = g.add("Mul", g.add("MatMul", query, key), scale)
        scores = g.add("Softmax", g.add("Add", scores, closed), axis=-1)
        mixed = g.add("Transpose", g.add("MatMul", scores, value), perm=[0, 2, 1, 3])
        mixed = g.add("Reshape", mixed, g.constant([0, 0, width], np.int64))
        x = g.add("Add", x, g.linear(f"{name}.project", mixed, layer.project))
        x = g.normalise(f"{name}.attention_norm", x, layer.attention_norm)
        inner = g.gelu(g.linear(f"{name}.expand", x, layer.expand))
        x = g.add("Add", x, g.linear(f"{name}.shrink", inner, layer.shrink))
        x = g.normalise(f"{name}.output_norm", x, layer.output_norm)
    column = g.add("Unsqueeze", share, g.constant([2], np.int64))
    total = g.add("ReduceSum", g.add("Mul", x, column), g.constant([1], np.int64), keepdims=0)
    count = g.add("ReduceSum", column, g.constant([1], np.int64), keepdims=0)
    mean = g.add("Div", total, g.add("Max", count, g.constant(1.0, np.float32)))
    first = g.add("Gather", x, g.constant(0, np.int64), axis=1)
    pooled = g.add("Concat", first, mean, axis=1)
    return finish_heads(g, model, pooled, "base")


def fast_graph(model: FastModel):
    g = Graph()
    width = model.word.embedding_dim
    share = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    column = g.add("Unsqueeze", share, g.constant([2], np.int64))
    row = g.add("Unsqueeze", share, g.constant([1], np.int64))
    x = g.add("Gather", g.weight("word", model.word.weight), "input_ids")
    # (previous, token) -> bucket; exact in INT32 and, being under 2^24, in FP32 as well.
    zeros = g.add("Mul", g.add("Slice", "input_ids", *[g.constant([v], np.int64) for v in (0, 1, 1)]),
                  g.constant(0, np.int32))
    longer = g.add("Concat", zeros, "input_ids", axis=1)
    previous = g.add("Slice", longer, *[g.constant([v], np.int64) for v in (0, -1, 1)])
    bucket = g.add("Add", g.add("Mul", previous, g.constant(BIGRAM_FACTOR, np.int32)), "input_ids")
    bucket = g.add("Mod", bucket, g.constant(BIGRAM_BUCKETS, np.int32))
    x = g.add("Add", x, g.add("Gather", g.weight("bigram", model.bigram.weight), bucket))
    x = g.add("Transpose", g.add("Mul", x, column), perm=[0, 2, 1])
    for i, layer in enumerate(model.convolutions):
        kernel = layer.weight.view(width, 3, width).permute(0, 2, 1)
        y = g.add("Conv", x, g.weight(f"conv{i}.weight", kernel), g.weight(f"conv{i}.bias", layer.bias),
                  kernel_shape=[3], pads=[1, 1])
        y = g.add("Mul", g.add("Relu", y), row)
        x = y if i == 0 else g.add("Add", x, y)
    tokens = g.add("Transpose", x, perm=[0, 2, 1])
    scores = g.add("Transpose", g.linear("attention", tokens, model.attention), perm=[0, 2, 1])
    closed = g.add("Mul", g.add("Sub", g.constant(1.0, np.float32), row), g.constant(-10000.0, np.float32))
    scores = g.add("Softmax", g.add("Add", scores, closed), axis=-1)
    pooled = g.add("Reshape", g.add("MatMul", scores, tokens), g.constant([0, 2 * width], np.int64))
    # After Relu no value is under zero, and padding is zero, so the maximum needs no mask.
    pooled = g.add("Concat", pooled, g.add("ReduceMax", x, axes=[2], keepdims=0), axis=1)
    return finish_heads(g, model, g.add("Relu", g.linear("hidden", pooled, model.hidden)), "fast")


def finish_heads(g, model, pooled, name):
    outputs = {}
    for task in EXPORTED:
        head, result = model.heads[task], f"{task}_logits"
        product = g.add("MatMul", pooled, g.weight(f"{task}.weight", head.weight.T))
        g.add("Add", product, g.weight(f"{task}.bias", head.bias), result=result)
        outputs[result] = len(TASKS[task])
    return g.finish(name, outputs)


def load_model(name, weights):
    """The network with weights rounded to FP16, computing in FP32."""
    model = BaseModel(tuple(EXPORTED)) if name == "base" else FastModel()
    model.load_state_dict({key: value.float() for key, value in load_file(weights).items()})
    for norm in getattr(model, "norms", []):  # folded: the identity, exactly
        norm.variance.fill_(1.0 - norm.eps)
    return model.eval()


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
                             for task in EXPORTED}})
    return cases


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", choices=list(DESCRIPTIONS), required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--logs", type=Path, help="folder with the stages' .jsonl, kept in metrics.json")
    parser.add_argument("--shared", type=Path, default=Path("../../../shared"))
    parser.add_argument("--models", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    folder = options.models / options.name
    folder.mkdir(parents=True, exist_ok=True)
    model = load_model(options.name, options.weights)
    with torch.no_grad():
        graph = base_graph(model) if options.name == "base" else fast_graph(model)
    weights, vocabulary = folder / "model.onnx", folder / "vocab.txt"
    weights.write_bytes(graph.SerializeToString(deterministic=True))
    shutil.copyfile(options.shared / "models/bge-small-zh-v1.5/vocab.txt", vocabulary)
    tokenizer = bert_tokenizer(vocabulary)

    texts = json.loads((Path(__file__).parent / "parity_texts.json").read_text(encoding="utf-8"))
    (folder / "parity.json").write_text(json.dumps(
        {"model": options.name, "version": VERSION, "weights_sha256": digest(weights),
         "tolerance": 1e-4, "cases": parity(model, tokenizer, texts)},
        ensure_ascii=False, indent=None, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n",
        encoding="utf-8")

    scores = score(weights, tokenizer, options.shared)
    for name, result in scores.items():
        metrics.draw_confusion(folder / f"confusion_{name}.png", result["confusion"],
                               TASKS[result["task"]], f"{options.name}: {name} (n = {result['n']})")
    log = {}
    for path in sorted(options.logs.glob("*.jsonl")) if options.logs else []:
        records = [json.loads(line) for line in path.read_text().splitlines()]
        keep = [r for r in records if "epoch" in r or "loss" in r]
        log[path.stem] = keep
    wanted = ["fast"] if options.name == "fast" else ["pretrain", "base"] + [k for k in log if "teacher" in k]
    record = {"model": options.name, "version": VERSION, "evaluation": scores,
              "training_log": {stage: log[stage] for stage in wanted if stage in log}}
    (folder / "metrics.json").write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")

    shape = ["batch", "seq"]
    manifest = {
        "format": FORMAT, "name": options.name, "version": VERSION,
        "description": DESCRIPTIONS[options.name], "max_length": 512, "precision": "fp32",
        "weights": {"file": weights.name, "sha256": digest(weights), "bytes": weights.stat().st_size},
        "vocabulary": {"file": vocabulary.name, "sha256": digest(vocabulary),
                       "size": tokenizer.get_vocab_size(), "lower_case": True},
        "inputs": [{"name": "input_ids", "dtype": "int32", "shape": shape},
                   {"name": "attention_mask", "dtype": "int32", "shape": shape}],
        "tasks": [{"name": "emotion", "output": "emotion_logits", "labels": TASKS["emotion"],
                   "negative": NEGATIVE},
                  {"name": "topic", "output": "topic_logits", "labels": TASKS["topic"]}],
        "metrics": {name: {key: result[key] for key in ("n", "accuracy", "macro_f1")}
                    for name, result in scores.items()},
        "trained_on": TRAINED_ON,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n",
                                          encoding="utf-8")
    print(json.dumps(manifest["metrics"], indent=1), weights.stat().st_size)


if __name__ == "__main__":
    main()
