# SPDX-License-Identifier: Apache-2.0
"""What every stage shares: device, seeds, autocast, the learning-rate ramp, done-markers, step budget."""
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import metrics
from labels import TASKS


def pick_device():
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_everything(seed):
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    return np.random.default_rng(seed)


def autocast(device):
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def optimiser(groups, device):
    """AdamW over [(module or parameters, peak rate)]; vectors are not decayed. 'peak' keeps the rate."""
    sets = []
    for parameters, rate, decay in groups:
        parameters = list(parameters)
        for chosen, weight_decay in ((True, decay), (False, 0.0)):
            members = [p for p in parameters if (p.ndim > 1) == chosen]
            if members:
                sets.append({"params": members, "lr": rate, "peak": rate, "weight_decay": weight_decay})
    return torch.optim.AdamW(sets, betas=(0.9, 0.98), eps=1e-6, fused=device.type == "cuda")


def set_rate(adam, step, steps, warm=0.06):
    """Linear warm-up over the first share of the steps, then linear to zero."""
    share = (step + 1) / (steps + 1)
    factor = share / warm if share < warm else (1 - share) / (1 - warm)
    for group in adam.param_groups:
        group["lr"] = group["peak"] * factor


class Log:
    """One JSON line per record, also printed; `finish` writes the marker that makes a stage skippable."""

    def __init__(self, work: Path, stage: str):
        self.path = work / f"{stage}.jsonl"
        self.done = work / f"{stage}.done"
        self.start = time.monotonic()
        if not self.done.exists():
            self.path.write_text("")

    def write(self, **record):
        record["seconds"] = round(time.monotonic() - self.start, 1)
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(self.path.stem, json.dumps(record), flush=True)

    def finish(self):
        self.write(event="done")
        self.done.touch()


@torch.no_grad()
def predict(model, bank, rows, device, cap=512, tokens_per_batch=65536):
    """{task: logits [len(rows), classes]} on the host, in the order of rows."""
    model.eval()
    order = np.argsort(bank.lengths[rows], kind="stable")
    results = {}
    start = 0
    with autocast(device):
        while start < len(rows):
            # Lengths rise, so the last text of a batch is its longest; two tries find the size.
            size = len(rows)
            for _ in range(3):
                longest = bank.lengths[rows[order[min(start + size, len(rows)) - 1]]]
                size = max(1, min(size, tokens_per_batch // int(min(longest + 7, cap))))
            part = order[start:start + size]
            for task, logits in model(*bank.gather(rows[part], cap)).items():
                if task not in results:
                    results[task] = torch.empty(len(rows), logits.shape[1])
                results[task][torch.from_numpy(part)] = logits.cpu()
            start += len(part)
    model.train()
    return results


def evaluate(model, corpus, device, resamples=0):
    """Scores on the three evaluation files."""
    scores = {}
    for name, task in (("usual_eval", "emotion"), ("virus_eval", "emotion"), ("topic_dev", "topic")):
        rows = corpus.rows_of(name)
        guess = predict(model, corpus.bank, rows, device)[task].argmax(1).numpy()
        scores[name] = metrics.summarise(corpus.labels[rows], guess, TASKS[task], resamples)
    return scores


def brief(scores):
    return {"usual_f1": scores["usual_eval"]["macro_f1"], "virus_f1": scores["virus_eval"]["macro_f1"],
            "topic_accuracy": scores["topic_dev"]["accuracy"], "topic_f1": scores["topic_dev"]["macro_f1"]}


def save_half(model, path):
    state = {name: value.detach().half().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(state, path)
