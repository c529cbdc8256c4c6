# SPDX-License-Identifier: Apache-2.0
"""Trains a bundled model on your own labelled posts, and writes a model that the engine can serve.

    python models/train/finetune.py --task emotion --data mine.tsv --name mine --output my-models
    tidewatch classify --models-dir my-models --model mine posts.txt

FILE is UTF-8, `label<TAB>text`, with a header line. Its labels may be those of the bundled model (the head is
kept and trained on) or your own (a new head). The other task must not suffer: on every text the original model's
answer for it is the target ("Learning without Forgetting", Li and Hoiem, 2016, arXiv:1606.09282).

A tenth of the rows, drawn by the seed, is held out; after each epoch the held-out macro-F1 is printed, and the
best epoch's averaged weights are kept. Runs on a GPU if there is one, else on the CPU (`--from fast` takes minutes for
30,000 posts on two cores, `--from base` hours).
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

import metrics
from batches import TokenBank, plan_by_count
from corpus import bert_tokenizer
from export import write_folder, write_manifest
from graphs import load_onnx
from labels import NEGATIVE
from networks import Average
from running import autocast, optimiser, pick_device, predict, seed_everything, set_rate

BUNDLED = Path(__file__).resolve().parent.parent
CAP = 256  # tokens of a training text; longer ones are cut
LABELS_MAX = {"emotion": 8, "topic": 32}  # what the engine holds (src/infer/scores.h)


class DataError(Exception):
    """Something in the user's file; the message names the place and the remedy."""


def read_tsv(path):
    """([label], [text]) of the rows after the header."""
    labels, texts = [], []
    lines = path.read_bytes().decode("utf-8-sig", errors="replace").split("\n")
    for number, line in enumerate(lines[1:], start=2):
        line = line.rstrip("\r")
        if not line and number == len(lines):
            continue
        label, tab, text = line.partition("\t")
        if not tab or not label.strip() or not text.strip():
            raise DataError(f"{path}:{number}: needs a label, a tab and a text")
        labels.append(label.strip())
        texts.append(text.strip())
    if not texts:
        raise DataError(f"{path}: no rows after the header line")
    return labels, texts


def order_labels(task, found, known, negative):
    """The new label order and the names that count as negative."""
    names = known if set(found) <= set(known) else sorted(set(found))
    if len(names) < 2 or len(names) > LABELS_MAX[task]:
        raise DataError(f"{task} has {len(names)} different labels in the file: 2 to {LABELS_MAX[task]} can be served")
    if task == "topic":
        return names, NEGATIVE
    if "neutral" not in names:
        raise DataError("emotion needs a label 'neutral': it is what an empty post gets")
    unknown = sorted(set(negative) - set(names))
    if unknown:
        raise DataError(f"--negative names {', '.join(unknown)}; the labels are {', '.join(names)}")
    return names, negative


def split_rows(classes, share, rng):
    """(training rows, held-out rows); the share is held out of every class with at least two rows."""
    held = []
    for value in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == value))
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        held.append(rows[:count])
    held = np.concatenate(held)
    if not len(held):
        raise DataError("no label has two rows: nothing can be held out")
    return np.setdiff1d(np.arange(len(classes)), held), held


def train(model, teacher, bank, classes, task, rows, held, names, options, device, rng):
    """Leaves the best epoch's weights in `model`; gives that epoch's held-out scores."""
    other = "topic" if task == "emotion" else "emotion"
    kept = predict(teacher, bank, np.arange(len(bank)), device, cap=CAP)[other].softmax(1).to(device)
    known = torch.from_numpy(classes).to(device)
    rate = options.rate or (1e-3 if hasattr(model, "bigram") else 5e-5)
    heads = list(model.heads.parameters())
    body = [p for name, p in model.named_parameters() if not name.startswith("heads.")]
    adam = optimiser([(body, rate, 0.01), (heads, 3 * rate, 0.01)], device)
    steps = options.epochs * (-(-len(rows) // options.batch))
    average, step, best = Average(model, 0.99), 0, None
    for epoch in range(options.epochs):
        plan = plan_by_count(rows, bank.lengths, options.batch, rng)
        for part in tqdm(plan, desc=f"epoch {epoch + 1}/{options.epochs}", unit="batch",
                         disable=not sys.stderr.isatty()):
            ids, mask = bank.gather(part, CAP)
            index = torch.from_numpy(part).to(device)
            with autocast(device):
                answers = model(ids, mask)
            loss = F.cross_entropy(answers[task], known[index], label_smoothing=0.05)
            loss = loss - (kept[index] * answers[other].log_softmax(1)).sum(1).mean()
            set_rate(adam, step, steps, warm=0.1)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            average.update()
            step += 1
        average.swap()
        guess = predict(model, bank, held, device, cap=CAP)[task].argmax(1).numpy()
        scores = metrics.summarise(classes[held], guess, names)
        print(f"epoch {epoch + 1}: held-out macro-F1 {scores['macro_f1']:.4f}, accuracy {scores['accuracy']:.4f} "
              f"(n = {scores['n']})", file=sys.stderr)
        if best is None or scores["macro_f1"] > best["macro_f1"]:
            best = {"epoch": epoch + 1, **scores}
            weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        average.swap()
    model.load_state_dict(weights)
    return best


def freeze_norms(model):
    """The exported normalisations are folded, the identity; they must not look at the batch again."""
    for norm in getattr(model, "norms", []):
        norm.train(False)
        norm.train = lambda mode=True, norm=norm: norm
    return model


def finetune(options):
    device = pick_device()
    rng = seed_everything(options.seed)
    source = options.models / options.start
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    labels = {task["name"]: task["labels"] for task in manifest["tasks"]}
    given, texts = read_tsv(options.data)
    names, negative = order_labels(options.task, given, labels[options.task], options.negative)
    model, teacher = load_onnx(source / "model.onnx"), load_onnx(source / "model.onnx").to(device)
    if names != labels[options.task]:
        head = nn.Linear(model.heads[options.task].in_features, len(names))
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        model.heads[options.task] = head
        labels[options.task] = names
    model = freeze_norms(model.to(device).train())
    tokens = [e.ids for e in bert_tokenizer(source / "vocab.txt").encode_batch_fast(texts)]
    bank = TokenBank(np.concatenate([np.array(t, np.int32) for t in tokens]),
                     np.array([len(t) for t in tokens]), device)
    classes = np.array([names.index(label) for label in given])
    rows, held = split_rows(classes, options.held_out, rng)
    best = train(model, teacher, bank, classes, options.task, rows, held, names, options, device, rng)

    folder = options.output / options.name
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    description = f"{manifest['name']} {manifest['version']}, {options.task} trained on {len(rows):,} own texts"
    written, _ = write_folder(folder, model.eval().cpu(), options.name, options.version, description, labels, negative,
                              source / "vocab.txt", manifest["trained_on"] + [options.data.name])
    written["metrics"] = {"held_out": {"task": options.task, **{key: best[key] for key in ("n", "accuracy", "macro_f1")}}}
    write_manifest(folder, written)
    (folder / "metrics.json").write_text(json.dumps(
        {"model": options.name, "evaluation": {"held_out": {"task": options.task, **best}}},
        ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    metrics.draw_confusion(folder / "confusion_held_out.png", best["confusion"], names,
                           f"{options.name}: held-out (n = {best['n']})")
    print(f"{folder}: best epoch {best['epoch']}, held-out macro-F1 {best['macro_f1']:.4f} "
          f"({best['macro_f1_95'][0]:.4f}-{best['macro_f1_95'][1]:.4f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="label<TAB>text, header line")
    parser.add_argument("--task", choices=["emotion", "topic"], required=True)
    parser.add_argument("--name", required=True, help="of the new model")
    parser.add_argument("--version", default="1", help="of the new model (1)")
    parser.add_argument("--from", dest="start", default="fast", help="model to start from (fast)")
    parser.add_argument("--models", type=Path, default=BUNDLED, help="where that model is")
    parser.add_argument("--output", type=Path, required=True, help="folder that gets NAME/")
    parser.add_argument("--negative", nargs="*", default=NEGATIVE,
                        help="emotions that count as negative (angry fear sad)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, help="peak learning rate (fast 1e-3, base 5e-5)")
    parser.add_argument("--held-out", type=float, default=0.1, help="share of the rows (0.1)")
    parser.add_argument("--seed", type=int, default=1)
    try:
        finetune(parser.parse_args())
    except (DataError, OSError) as error:
        sys.exit(f"finetune: {error}")


if __name__ == "__main__":
    main()
