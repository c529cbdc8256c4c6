# SPDX-License-Identifier: Apache-2.0
"""Stage 3: the teachers, each trained five times, once without each fold; they answer only what they have not seen.

    teachers.py --work WORK            # takes the next (teacher, fold) that nobody has taken; run several at once

A labelled text, and every text rewritten from it, is answered by the teachers that never saw it, so their answers
are honest about doubt and about wrong labels. Unlabelled texts are spread over the folds by chance. Emotion has one
head for each SMP2020 set, because their labels follow different habits; which head answers a text is settled here:
the set it comes from, else `virus` where COVID-19 words stand in it.

Writes WORK/answers/TEACHER_FOLD.npz: rows and probabilities; evaluation files too, for the log only.
"""
import argparse
import json
import time
import traceback
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from batches import FOLDS, Corpus, TokenBank, fixed_plan, plan_by_count, plan_by_tokens
from labels import TASKS
import metrics
from networks import BaseModel, NgramModel, stack_layers
from running import pick_device, seed_everything
from trainer import Trainer, ramp, side_stream

# encoder: the state it starts from; power: class balancing (0 none, 1 full); chosen on held-out folds (README.md)
TEACHERS = {
    "topic1": {"encoder": "bge", "heads": ["topic"], "seed": 1},
    "topic2": {"encoder": "bge", "heads": ["topic"], "seed": 2},
    "ngram": {"heads": ["usual", "virus", "topic"], "seed": 1},
    "bge": {"encoder": "bge", "heads": ["usual", "virus"], "seed": 3},
    "words4": {"encoder": "encoder", "heads": ["usual", "virus"], "seed": 4},
    "helped4": {"encoder": "encoder", "heads": ["usual", "virus", "emotion8", "sentiment"], "seed": 5},
    "deep8": {"encoder": "encoder8", "layers": 8, "heads": ["usual", "virus"], "seed": 6},
    "deep8b": {"encoder": "encoder8", "layers": 8, "heads": ["usual", "virus"], "seed": 7},
}
# Each task's answer: the weighted mean of these teachers' probabilities.
EMOTION_MIX = {"bge": 1.0, "words4": 1.0, "helped4": 1.0, "deep8": 1.5, "deep8b": 1.5}
TOPIC_MIX = {"topic1": 0.35, "topic2": 0.35, "ngram": 0.3}
HEADS = {  # task, sources of its labels, weight in the loss
    "usual": ("emotion", ["usual"], 1.0),
    "virus": ("emotion", ["virus"], 1.0),
    "topic": ("topic", ["toutiao"], 1.0),
    "emotion8": ("emotion8", ["weibo8_part", "weibo8_simplify"], 0.4),
    "sentiment": ("sentiment", ["shopping", "waimai", "hotel"], 0.2),
}
EPOCHS, BATCH, RATE, RDROP, SMOOTHING, REVIEWS = 3, 64, 8e-5, 1.0, 0.05, 10_000


def bank_with_augmented(corpus, work, device):
    """One bank, the corpus and then the rewritten texts; and the corpus row that each text came from."""
    extra = np.load(work / "augmented.npz")
    bank = TokenBank(np.concatenate([corpus.flat, extra["flat"]]),
                     np.concatenate([corpus.lengths, extra["lengths"]]), device)
    return bank, np.concatenate([np.arange(len(corpus.lengths)), extra["parents"]])


def load_encoder(model, path, layers):
    model.encoder.load_state_dict(stack_layers(torch.load(path, map_location="cpu")["encoder"], layers))


def labels_without(corpus, heads, fold):
    """{head: label of each row, -1 where it has none or is in the fold}."""
    result = {}
    for head in heads:
        rows = corpus.rows_of(*HEADS[head][1])
        rows = rows[corpus.fold[rows] != fold]
        result[head] = np.full(len(corpus.labels), -1, np.int64)
        result[head][rows] = corpus.labels[rows]
    return result


def class_weights(labels, classes, power):
    """Mean 1 over the texts; power 0 is none, 1 is full balancing."""
    counts = np.bincount(labels[labels >= 0], minlength=classes).astype(float)
    weights = np.maximum(counts, 1) ** -power
    return weights / (weights * counts).sum() * counts.sum()


def train_encoder(corpus, device, work, settings, fold, rng, epochs):
    heads, layers = settings["heads"], settings.get("layers", 4)
    model = BaseModel({head: len(TASKS[HEADS[head][0]]) for head in heads}, layers=layers)
    load_encoder(model, work / f"{settings['encoder']}.pt", layers)
    labels = labels_without(corpus, heads, fold)
    target = {head: torch.from_numpy(values).to(device) for head, values in labels.items()}
    weight = {head: torch.from_numpy(class_weights(values, len(TASKS[HEADS[head][0]]),
                                                   0.1 if head == "topic" else 0.25)).float().to(device)
              for head, values in labels.items()}

    def loss_fn(network, width, rows, real):
        ids, mask = corpus.bank.gather_fixed(rows, width)
        loss = 0.0
        for head, logits in network(torch.cat([ids, ids]), torch.cat([mask, mask])).items():
            known = target[head][rows]
            share = (known >= 0).float() * real
            both = torch.cat([known, known]).clamp(min=0)
            hard = F.cross_entropy(logits, both, reduction="none", label_smoothing=SMOOTHING)
            hard = hard * torch.cat([share, share]) * weight[head][both]
            first, second = logits.log_softmax(1).chunk(2)
            apart = ((first.exp() - second.exp()) * (first - second)).sum(1) * share
            loss = loss + HEADS[head][2] * (0.5 * hard.sum() + RDROP * 0.5 * apart.sum())
        return loss / BATCH

    always = np.unique(np.concatenate([np.flatnonzero(labels[h] >= 0) for h in heads if h != "sentiment"]))
    batches = []
    for _ in range(epochs):
        rows = always
        if "sentiment" in heads:
            reviews = np.flatnonzero(labels["sentiment"] >= 0)
            rows = np.concatenate([rows, rng.choice(reviews, min(REVIEWS, len(reviews)), replace=False)])
        batches += plan_by_count(rows, corpus.lengths, BATCH, rng)
    plan = fixed_plan(batches, corpus.lengths, device)
    trainer = Trainer(model, [(model.encoder.parameters(), RATE, 0.01), (model.heads.parameters(), 10 * RATE, 0.01)],
                      loss_fn, device)
    for step, (width, rows, real) in enumerate(plan):
        trainer.step(ramp(step, len(plan)), width, rows, real)
    return trainer.averaged()


def train_ngram(corpus, device, work, settings, fold, rng, epochs):
    heads = settings["heads"]
    model = NgramModel({head: len(TASKS[HEADS[head][0]]) for head in heads}).to(device)
    labels = labels_without(corpus, heads, fold)
    target = {head: torch.from_numpy(values).to(device) for head, values in labels.items()}
    rows = np.unique(np.concatenate([np.flatnonzero(values >= 0) for values in labels.values()]))
    model.count((corpus.bank.gather(part, 256) for part in plan_by_tokens(rows, corpus.lengths, 256, 262144, rng)),
                len(rows))
    plan = [part for _ in range(8) for part in plan_by_tokens(rows, corpus.lengths, 256, 16384, rng)]
    adam = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.0, fused=device.type == "cuda")
    for step, part in enumerate(plan):
        for group in adam.param_groups:
            group["lr"] = 0.02 * (1 - step / len(plan))
        at = torch.from_numpy(part).to(device)
        loss = 0.0
        for head, logits in model(*corpus.bank.gather(part, 256)).items():
            known = target[head][at]
            loss = loss + (F.cross_entropy(logits, known.clamp(min=0), reduction="none") * (known >= 0)).sum()
        adam.zero_grad(set_to_none=True)
        (loss / len(part)).backward()
        adam.step()
    return model.eval()


@torch.no_grad()
def answers(model, bank, rows, device, heads, tokens=98304, cap=256):
    """{head: probabilities [len(rows), classes] in FP16 on the host}."""
    order = np.argsort(bank.lengths[rows], kind="stable")
    length = np.minimum(bank.lengths[rows[order]], cap)
    results, start = {}, 0
    while start < len(rows):
        stop = min(len(rows), start + max(1, tokens // int(length[start] + 7)))
        while stop - start > 1 and (stop - start) * int(length[stop - 1] + 7) > tokens * 1.3:
            stop = start + max(1, (stop - start) * 3 // 4)
        part = torch.from_numpy(order[start:stop]).to(device)
        ids, mask = bank.gather_fixed(torch.from_numpy(rows[order[start:stop]]).to(device),
                                      -(-int(length[stop - 1]) // 8) * 8)
        for head, logits in model(ids, mask).items():
            if head in heads:
                if head not in results:
                    results[head] = torch.zeros(len(rows), logits.shape[1], dtype=torch.half, device=device)
                results[head][part] = logits.float().softmax(1).half()
        start = stop
    return {head: value.cpu().numpy() for head, value in results.items()}


def held_out_scores(corpus, rows, probabilities, fold):
    """On the held-out fold; and on the evaluation files, which are only logged."""
    place = np.full(len(corpus.labels), -1)
    inside = rows < len(corpus.labels)
    place[rows[inside]] = np.flatnonzero(inside)
    scores = {}
    for name, head, title in (
            ("usual", "usual", "usual"), ("virus", "virus", "virus"), ("toutiao", "topic", "toutiao"),
            ("usual_eval", "usual", "usual_f1"), ("virus_eval", "virus", "virus_f1"),
            ("topic_dev", "topic", "topic_accuracy")):
        if head in probabilities:
            wanted = corpus.rows_of(name)
            if not name.endswith(("_eval", "_dev")):
                wanted = wanted[corpus.fold[wanted] == fold]
            guess = probabilities[head][place[wanted]].argmax(1)
            truth = corpus.labels[wanted].astype(np.int64)
            value = ((guess == truth).mean() if head == "topic" else
                     metrics.macro_f1(metrics.confusion_matrix(truth, guess, len(TASKS["emotion"]))))
            scores[title] = round(float(value), 4)
    return scores


def make(name, fold, corpus, bank, parents, device, work, epochs):
    settings, began = TEACHERS[name], time.monotonic()
    rng = seed_everything(20261110 + 10 * settings["seed"] + fold)
    train = train_ngram if name == "ngram" else train_encoder
    model = train(corpus, device, work, settings, fold, rng, epochs)
    trained = time.monotonic()
    bank, parents = bank(), parents()
    asked = np.flatnonzero(corpus.fold[parents] == fold)
    asked = np.union1d(asked, corpus.rows_of_split("eval"))
    wanted = [head for head in settings["heads"] if head in ("usual", "virus", "topic")]
    probabilities = answers(model, bank, asked, device, wanted)
    scores = held_out_scores(corpus, asked, probabilities, fold)
    partial = work / "answers" / f".{name}_{fold}.npz"
    np.savez(partial, rows=asked, **probabilities)
    partial.rename(work / "answers" / f"{name}_{fold}.npz")
    record = {"teacher": name, "fold": fold, **scores, "train_s": round(trained - began, 1),
              "seconds": round(time.monotonic() - began, 1)}
    with (work / "teachers.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--reverse", action="store_true", help="take the jobs from the other end")
    parser.add_argument("--wait", action="store_true", help="wait for encoders and texts that are still being made")
    options = parser.parse_args()
    work, device = options.work, pick_device()
    (work / "answers").mkdir(exist_ok=True)
    corpus, kept = Corpus(work / "corpus.npz", device), []

    def both():
        while not kept:
            if (work / "augment.done").exists() or not options.wait:
                kept.append(bank_with_augmented(corpus, work, device))
            else:
                time.sleep(1)
        return kept[0]

    jobs = [(name, fold) for name in TEACHERS for fold in range(FOLDS)]
    if options.reverse:
        jobs.reverse()
    with side_stream(device):
        while True:
            waiting = False
            for name, fold in jobs:
                claim = work / "answers" / f".{name}_{fold}.claim"
                if claim.exists() or (work / "answers" / f"{name}_{fold}.npz").exists():
                    continue
                start = TEACHERS[name].get("encoder")
                if start and not (work / f"{start}.pt").exists():
                    waiting = True
                    continue
                try:
                    claim.touch(exist_ok=False)
                except FileExistsError:
                    continue
                try:
                    make(name, fold, corpus, lambda: both()[0], lambda: both()[1], device, work, options.epochs)
                except Exception:  # leave the job to a later run
                    traceback.print_exc()
                    claim.unlink()
                    raise
                if device.type == "cuda":
                    torch.cuda.empty_cache()
            if not (waiting and options.wait):
                return
            time.sleep(1)


if __name__ == "__main__":
    main()
