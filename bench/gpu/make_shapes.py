# SPDX-License-Identifier: Apache-2.0
"""Writes models of published shapes with RANDOM weights, for speed benchmarks: bert-base (12x768), tinybert (4x312).

    python make_shapes.py OUT_FOLDER

Each folder is a model folder (model.onnx, vocab.txt, manifest.json, int8.json) that every command takes. The INT8
recipe is real for these weights: activations are measured on random texts, weights per output channel; nothing of it
says anything about accuracy, since there is none.
"""
import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "train"))

from graphs import make_graph  # noqa: E402
from labels import NEGATIVE, TASKS  # noqa: E402
from networks import BaseModel, head_sizes  # noqa: E402

SHAPES = {
    "bert-base": {"width": 768, "layers": 12, "heads": 12, "inner": 3072},
    "tinybert": {"width": 312, "layers": 4, "heads": 12, "inner": 1200},
}
VERSION = "0-random"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def random_model(shape, seed=1):
    torch.manual_seed(seed)
    model = BaseModel(head_sizes(), **shape)
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
            torch.nn.init.normal_(module.weight, std=0.02)
    return model.half().float().eval()


@torch.no_grad()
def input_ranges(model):
    """{module name: largest magnitude of its input} over random texts."""
    ranges, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name.startswith("encoder.layers"):
            hooks.append(module.register_forward_pre_hook(
                lambda _, inputs, key=name: ranges.__setitem__(key, float(inputs[0].abs().max()))))
    ids = torch.randint(1000, 20000, (8, 96), generator=torch.Generator().manual_seed(1))
    model(ids, torch.ones_like(ids, dtype=torch.bool))
    for hook in hooks:
        hook.remove()
    return ranges


def recipe_of(graph, ranges, name, sha256):
    """int8.json: every matrix product within the layers."""
    weights = {w.name: numpy_helper.to_array(w).astype(np.float32) for w in graph.initializer}
    casts = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Cast" and n.input[0] in weights}
    activations, layers = {}, []
    for node in graph.node:
        weight = casts.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or not weight.startswith("layer"):
            continue
        index, kind = weight.removeprefix("layer").removesuffix(".weight").split(".")
        module = "qkv" if kind in ("query", "key", "value") else kind
        activations[node.input[0]] = ranges[f"encoder.layers.{index}.{module}"] / 127
        scales = np.maximum(np.abs(weights[weight]).max(axis=0) / 127, 1e-8)
        layers.append({"node": node.name, "op": "MatMul", "input": node.input[0], "weight": weight, "axis": 1,
                       "scales": [float(f"{s:.6g}") for s in scales]})
    return {"format": 1, "model": name, "model_version": VERSION, "model_sha256": sha256,
            "activation_type": "int8, symmetric, per tensor",
            "weight_type": "int8, symmetric, per output channel, -127 to 127",
            "measured": {"divergence": 0, "speedup": 0},
            "set": {"source": "random ids", "date": "1970-01-01", "texts_read": 8, "texts": 8, "seed": 1,
                    "vocabulary_share": 0, "strata": []},
            "activations": [{"tensor": t, "method": "min-max", "scale": float(f"{s:.6g}")}
                            for t, s in activations.items()],
            "kept_fp32": [], "layers": layers}


def write_model(folder, name, shape):
    folder.mkdir(parents=True, exist_ok=True)
    model = random_model(shape)
    labels = {task: TASKS[task] for task in model.heads}
    graph = make_graph(model, name, VERSION, labels)
    onnx.save(graph, str(folder / "model.onnx"))
    shutil.copyfile(ROOT / "models" / "base" / "vocab.txt", folder / "vocab.txt")
    manifest = json.loads((ROOT / "models" / "base" / "manifest.json").read_text(encoding="utf-8"))
    recipe = recipe_of(graph.graph, input_ranges(model), name, digest(folder / "model.onnx"))
    (folder / "int8.json").write_text(json.dumps(recipe) + "\n", encoding="utf-8")
    manifest.pop("metrics")
    manifest |= {
        "name": name, "version": VERSION, "trained_on": [],
        "description": f"RANDOM WEIGHTS, for speed benchmarks only: {shape['layers']} layers, {shape['width']} wide",
        "weights": {"file": "model.onnx", "sha256": digest(folder / "model.onnx"),
                    "bytes": (folder / "model.onnx").stat().st_size},
        "calibration": {"file": "int8.json", "sha256": digest(folder / "int8.json")}}
    assert manifest["tasks"][0]["negative"] == NEGATIVE
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    for each, sizes in SHAPES.items():
        write_model(out / each, each, sizes)
        print(f"{out / each}: {sizes}", flush=True)
