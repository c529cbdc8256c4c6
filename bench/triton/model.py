# SPDX-License-Identifier: Apache-2.0
"""Tidewatch's `fast` model behind Triton's Python backend: text in, labels and probabilities out, as our own server
answers. Triton's dynamic batcher hands several requests to one call; their texts are run sorted by length in small
groups, so that little is padded. One instance is one process with one OpenVINO thread."""
import json

import numpy as np
import openvino
import tokenizers
import triton_python_backend_utils as pb


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


class TritonPythonModel:
    def initialize(self, args):
        parameters = {key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()}
        core = openvino.Core()
        self.request = core.compile_model(parameters["onnx"], "CPU", {
            "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32",
        }).create_infer_request()
        self.tokenizer = tokenizers.BertWordPieceTokenizer(parameters["vocabulary"], lowercase=True)
        self.tokenizer.enable_truncation(512)
        self.group = int(parameters["group"])
        self.labels = [np.array([label.encode() for label in parameters[task].split(",")], dtype=np.object_)
                       for task in ("emotion", "topic")]

    def execute(self, requests):
        inputs = [pb.get_input_tensor_by_name(request, "text").as_numpy().reshape(-1) for request in requests]
        texts = [text.decode("utf-8", errors="replace") for one in inputs for text in one]
        probabilities = self.classify(texts)
        responses, at = [], 0
        for one in inputs:
            tensors = []
            for name, values, labels in zip(("emotion", "topic"), probabilities, self.labels):
                part = values[at:at + len(one)]
                tensors.append(pb.Tensor(name, labels[part.argmax(axis=1)].reshape(-1, 1)))
                tensors.append(pb.Tensor(f"{name}_prob", part))
            responses.append(pb.InferenceResponse(tensors))
            at += len(one)
        return responses

    def classify(self, texts):
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = [np.empty((len(rows), len(labels)), np.float32) for labels in self.labels]
        for begin in range(0, len(order), self.group):
            part = order[begin:begin + self.group]
            width = len(rows[part[-1]])
            ids = np.zeros((len(part), width), np.int32)
            mask = np.zeros((len(part), width), np.int32)
            for row, i in enumerate(part):
                ids[row, :len(rows[i])] = rows[i]
                mask[row, :len(rows[i])] = 1
            self.request.infer({"input_ids": ids, "attention_mask": mask})
            for values, output in zip(found, ("emotion_logits", "topic_logits")):
                values[part] = softmax(self.request.get_tensor(output).data)
        return found
