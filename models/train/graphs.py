# SPDX-License-Identifier: Apache-2.0
"""The networks as ONNX graphs, node by node (opset 17), and back again.

Every weight is an FP16 initializer followed by a Cast to FP32, so the file is small and the arithmetic is
FP32 (or whatever the engine makes of it when it loads the model). `load_onnx` reads the weights of such a file
into the PyTorch network they came from.
"""
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from networks import BIGRAM_BUCKETS, BIGRAM_FACTOR, BaseModel, FastModel

OPSET = 17


class Graph:
    """Collects nodes and FP16 weights; every method returns the name of its result."""

    def __init__(self, precision="fp16"):
        self.nodes, self.weights, self.count, self.precision = [], [], 0, precision

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
        value = tensor.detach().contiguous().numpy()
        if self.precision == "fp32":
            self.weights.append(numpy_helper.from_array(value.astype(np.float32), name))
            return name
        half = value.astype(np.float16)
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

    def finish(self, name, version, outputs, labels):
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT32, ["batch", "seq"])
                  for n in ("input_ids", "attention_mask")]
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", size])
                   for n, size in outputs.items()]
        graph = helper.make_graph(self.nodes, name, inputs, results, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
                                  producer_name="tidewatch", producer_version=version)
        # The order of the outputs travels with the weights: the engine compares it with its manifest.
        helper.set_model_props(model, {f"tidewatch.labels.{task}": "\n".join(labels[task]) for task in labels})
        onnx.checker.check_model(model, full_check=True)
        return model


def base_graph(g: Graph, model: BaseModel):
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
        layer_name = f"layer{i}"
        heads = g.constant([0, 0, layer.heads, width // layer.heads], np.int64)

        def part(index, label, order):
            rows = slice(index * width, (index + 1) * width)
            y = g.linear(f"{layer_name}.{label}", x, layer.qkv, rows)
            return g.add("Transpose", g.add("Reshape", y, heads), perm=order)

        query, key = part(0, "query", [0, 2, 1, 3]), part(1, "key", [0, 2, 3, 1])
        value = part(2, "value", [0, 2, 1, 3])
        scale = g.constant((width // layer.heads) ** -0.5, np.float32)
        scores = g.add("Mul", g.add("MatMul", query, key), scale)
        scores = g.add("Softmax", g.add("Add", scores, closed), axis=-1)
        mixed = g.add("Transpose", g.add("MatMul", scores, value), perm=[0, 2, 1, 3])
        mixed = g.add("Reshape", mixed, g.constant([0, 0, width], np.int64))
        x = g.add("Add", x, g.linear(f"{layer_name}.project", mixed, layer.project))
        x = g.normalise(f"{layer_name}.attention_norm", x, layer.attention_norm)
        inner = g.gelu(g.linear(f"{layer_name}.expand", x, layer.expand))
        x = g.add("Add", x, g.linear(f"{layer_name}.shrink", inner, layer.shrink))
        x = g.normalise(f"{layer_name}.output_norm", x, layer.output_norm)
    column = g.add("Unsqueeze", share, g.constant([2], np.int64))
    total = g.add("ReduceSum", g.add("Mul", x, column), g.constant([1], np.int64), keepdims=0)
    count = g.add("ReduceSum", column, g.constant([1], np.int64), keepdims=0)
    mean = g.add("Div", total, g.add("Max", count, g.constant(1.0, np.float32)))
    first = g.add("Gather", x, g.constant(0, np.int64), axis=1)
    pooled = g.add("Concat", first, mean, axis=1)
    return add_heads(g, model, pooled)


def fast_graph(g: Graph, model: FastModel):
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
    return add_heads(g, model, g.add("Relu", g.linear("hidden", pooled, model.hidden)))


def add_heads(g, model, pooled):
    """Gives {output: number of labels}."""
    outputs = {}
    for task, head in model.heads.items():
        result = f"{task}_logits"
        product = g.add("MatMul", pooled, g.weight(f"{task}.weight", head.weight.T))
        g.add("Add", product, g.weight(f"{task}.bias", head.bias), result=result)
        outputs[result] = head.out_features
    return outputs


def make_graph(model, name, version, labels, precision="fp16"):
    """The ONNX model of a network of either kind; `labels` is {task: names in the order of the outputs}."""
    for task, head in model.heads.items():
        if len(labels[task]) != head.out_features:
            raise ValueError(f"{task}: {len(labels[task])} labels for {head.out_features} outputs")
    g = Graph(precision)
    with torch.no_grad():
        outputs = (fast_graph if isinstance(model, FastModel) else base_graph)(g, model)
    return g.finish(name, version, outputs, labels)


def load_onnx(path):
    """The network, in evaluation mode, that `make_graph` wrote to `path`, with its FP16-rounded weights."""
    graph = onnx.load(str(path)).graph
    weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).astype(np.float32))
               for w in graph.initializer if not w.name.startswith("constant_")}
    sizes = {output.name.removesuffix("_logits"): output.type.tensor_type.shape.dim[1].dim_value
             for output in graph.output}
    fast = "bigram" in weights
    if fast:
        layers = sum(name.startswith("conv") and name.endswith(".weight") for name in weights)
        model = FastModel(sizes, weights["word"].shape[1], layers, weights["hidden.bias"].shape[0])
    else:
        width = weights["word"].shape[1]
        layers = sum(name.endswith(".expand.weight") for name in weights)
        model = BaseModel(sizes, width=width, layers=layers, heads=width // 64,
                          inner=weights["layer0.expand.bias"].shape[0])
    model.load_state_dict(fast_state(weights, model) if fast else base_state(weights, model))
    return model.eval()


def turned(tensor):
    """ONNX keeps [in, out], PyTorch [out, in]; vectors stay."""
    return tensor.T if tensor.ndim == 2 else tensor


def head_state(weights, model):
    return {f"heads.{task}.{kind}": turned(weights[f"{task}.{kind}"]) for task in model.heads
            for kind in ("weight", "bias")}


def base_state(weights, model):
    state = head_state(weights, model)
    state |= {"encoder.word.weight": weights["word"], "encoder.position.weight": weights["position"]}
    for kind in ("weight", "bias"):
        state[f"encoder.norm.{kind}"] = weights[f"norm.{kind}"]
        for i in range(len(model.encoder.layers)):
            mine, theirs = f"encoder.layers.{i}", f"layer{i}"
            parts = [turned(weights[f"{theirs}.{part}.{kind}"]) for part in ("query", "key", "value")]
            state[f"{mine}.qkv.{kind}"] = torch.cat(parts)
            for part in ("project", "attention_norm", "expand", "shrink", "output_norm"):
                state[f"{mine}.{part}.{kind}"] = turned(weights[f"{theirs}.{part}.{kind}"])
    return state


def fast_state(weights, model):
    state = model.state_dict() | head_state(weights, model)  # the folded normalisations stay the identity
    state |= {"word.weight": weights["word"], "bigram.weight": weights["bigram"]}
    for i, norm in enumerate(model.norms):
        kernel = weights[f"conv{i}.weight"]  # [out, in, 3]
        state[f"convolutions.{i}.weight"] = kernel.permute(0, 2, 1).flatten(1)
        state[f"convolutions.{i}.bias"] = weights[f"conv{i}.bias"]
        state[f"norms.{i}.variance"] = torch.full_like(norm.variance, 1.0 - norm.eps)
    for part in ("attention", "hidden"):
        for kind in ("weight", "bias"):
            state[f"{part}.{kind}"] = turned(weights[f"{part}.{kind}"])
    return state
