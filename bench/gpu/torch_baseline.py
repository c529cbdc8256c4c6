# SPDX-License-Identifier: Apache-2.0
"""What PyTorch gives on the same shapes: eager FP16 and torch.compile, texts of one length, batch by batch.

    python torch_baseline.py bert-base [--tokens 96] [--batches 1,64,256] [--seconds 2]

Prints one JSON object. Weights are random; scaled-dot-product attention, inference mode, static shapes.
"""
import argparse
import json
import time

import torch

from make_shapes import SHAPES, random_model


def rate(model, batch, tokens, seconds):
    ids = torch.randint(1000, 20000, (batch, tokens), device="cuda")
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        for _ in range(5):
            model(ids, mask)
        torch.cuda.synchronize()
        runs, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for _ in range(10):
                model(ids, mask)
            torch.cuda.synchronize()
            runs += 10
    took = time.perf_counter() - began
    return {"batch": batch, "texts_per_second": batch * runs / took, "run_ms": took / runs * 1e3}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--batches", default="1,64,256")
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    model = random_model(SHAPES[options.shape]).half().cuda()
    compiled = torch.compile(model, dynamic=False)
    batches = [int(b) for b in options.batches.split(",")]
    print(json.dumps({
        "shape": options.shape, "gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "tokens": options.tokens,
        "eager": [rate(model, b, options.tokens, options.seconds) for b in batches],
        "compile": [rate(compiled, b, options.tokens, options.seconds) for b in batches]}))
