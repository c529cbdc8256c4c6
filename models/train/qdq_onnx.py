# SPDX-License-Identifier: Apache-2.0
"""Writes a model with explicit QuantizeLinear / DequantizeLinear pairs from its INT8 recipe.

    python qdq_onnx.py ../base OUT.onnx

Reads model.onnx and the recipe that manifest.json names. The opset stays; activations are INT8 per
tensor, weights INT8 per output channel, every zero point 0: what TensorRT 10 and 11 take as it is.
"""
import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_recipe(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if "calibration" not in manifest:
        raise SystemExit(f"{folder}: no INT8 recipe; make one with `tidewatch calibrate`")
    path = folder / manifest["calibration"]["file"]
    if digest(path) != manifest["calibration"]["sha256"]:
        raise SystemExit(f"{path}: sha256 differs from the manifest's")
    recipe = json.loads(path.read_text(encoding="utf-8"))
    weights = folder / manifest["weights"]["file"]
    if digest(weights) != recipe["model_sha256"]:
        raise SystemExit(f"{path}: made for other weights than {weights}")
    return weights, recipe


def quantise_weights(values, scales, axis):
    shape = [1] * values.ndim
    shape[axis] = -1
    scales = np.array(scales, np.float32).reshape(shape)
    return np.clip(np.rint(values.astype(np.float32) / scales), -127, 127).astype(np.int8)


def insert_pairs(model, recipe):
    graph = model.graph
    nodes = {node.name: node for node in graph.node}
    initializers = {value.name: value for value in graph.initializer}
    casts = {node.output[0]: node for node in graph.node
             if node.op_type == "Cast" and node.input[0] in initializers}
    scales = {a["tensor"]: a["scale"] for a in recipe["activations"]}

    def constant(name, value):
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def pair(at, source, scale, zero):
        """Quantises and dequantises `source`; placed before the node `at`."""
        quantised, back = f"{source}.q", f"{source}.dq"
        place = list(graph.node).index(at)
        graph.node.insert(place, helper.make_node("QuantizeLinear", [source, scale, zero],
                                                  [quantised], name=f"{source}.quantize"))
        graph.node.insert(place + 1, helper.make_node("DequantizeLinear", [quantised, scale, zero],
                                                      [back], name=f"{source}.dequantize"))
        return back

    dequantised = {}
    for layer in recipe["layers"]:
        node = nodes.get(layer["node"])
        if node is None or node.input[0] != layer["input"]:
            raise SystemExit(f"the recipe's layer {layer['node']} is not in the graph")
        if layer["input"] not in dequantised:
            name = layer["input"]
            scale = constant(f"{name}.scale", np.array(scales[name], np.float32))
            zero = constant(f"{name}.zero", np.array(0, np.int8))
            dequantised[name] = pair(node, name, scale, zero)
        cast = casts[node.input[1]]
        if cast.input[0] != layer["weight"]:
            raise SystemExit(f"{layer['node']} has the weights {cast.input[0]}, not {layer['weight']}")
        name, axis = layer["weight"], layer["axis"]
        values = numpy_helper.to_array(initializers[name])
        levels = constant(f"{name}.int8", quantise_weights(values, layer["scales"], axis))
        scale = constant(f"{name}.scale", np.array(layer["scales"], np.float32))
        zero = constant(f"{name}.zero", np.zeros(values.shape[axis], np.int8))
        place = list(graph.node).index(node)
        graph.node.insert(place, helper.make_node("DequantizeLinear", [levels, scale, zero],
                                                  [f"{name}.dq"], name=f"{name}.dequantize", axis=axis))
        node.input[0], node.input[1] = dequantised[layer["input"]], f"{name}.dq"
        graph.node.remove(cast)
        graph.initializer.remove(initializers[name])
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    weights, recipe = read_recipe(options.folder)
    model = insert_pairs(onnx.load(weights), recipe)
    options.output.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{options.output}: {len(recipe['layers'])} layers in INT8, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
