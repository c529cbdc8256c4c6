# SPDX-License-Identifier: Apache-2.0
"""Stage 3: the base model.

    train_base.py --work WORK teacher --seed 1     # one fine-tuned teacher -> WORK/teacher_1.pt
    train_base.py --work WORK merge --seeds 1 2 3  # teachers' mean answers -> one model, WORK/base.pt

A teacher learns four tasks at once (emotion and topic, and as helpers eight emotions and review
sentiment) with R-Drop. `merge` distils the mean of the teachers' probabilities, on labelled, unlabelled
and augmented texts, into one fresh copy of the pretrained encoder. The evaluation files are only logged.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from batches import Corpus, TokenBank, plan_by_count, plan_by_tokens
from labels import EXPORTED, TASKS
from networks import Average, BaseModel, head_sizes
from running import (Log, autocast, brief, evaluate, optimiser, pick_device, predict, save_half,
                     seed_everything, set_rate)

TASK_WEIGHT = {"emotion": 1.0, "topic": 1.0, "emotion8": 0.4, "sentiment": 0.2}
REVIEWS_PER_EPOCH = 10_000


def fresh_model(work, tasks, device):
    model = BaseModel(head_sizes(tasks))
    model.encoder.load_state_dict(torch.load(work / "encoder.pt", map_location="cpu")["encoder"])
    return model.to(device).train()


def class_weights(labels, classes, power):
    """Mean 1 over the texts; power 0 is none, 1 is full balancing."""
    counts = np.bincount(labels[labels >= 0], minlength=classes).astype(float)
    weights = np.maximum(counts, 1) ** -power
    return weights / (weights * counts).sum() * counts.sum()


def teach(options):
    log = Log(options.work, f"teacher_{options.seed}")
    if log.done.exists():
        return
    device = pick_device()
    rng = seed_everything(20261110 + options.seed)
    corpus = Corpus(options.work / "corpus.npz", device)
    model = fresh_model(options.work, tuple(TASKS), device)
    labels, weights = {}, {}
    for task in TASKS:
        values = corpus.task_labels(task)
        values[corpus.rows_of_split("eval")] = -1
        labels[task] = torch.from_numpy(values).to(device)
        power = 0.25 if task == "emotion" else 0.1
        weights[task] = torch.from_numpy(class_weights(values, len(TASKS[task]), power)).float().to(device)
    always = corpus.rows_of("usual", "virus", "toutiao", "weibo8_part", "weibo8_simplify")
    reviews = corpus.rows_of("shopping", "waimai", "hotel")

    def epoch_rows():
        count = min(REVIEWS_PER_EPOCH, len(reviews))
        return np.concatenate([always, rng.choice(reviews, count, replace=False)])

    steps = options.epochs * (-(-len(epoch_rows()) // options.batch))
    adam = optimiser([(model.encoder.parameters(), options.rate, 0.01),
                      (model.heads.parameters(), 10 * options.rate, 0.01)], device)
    average = Average(model, 0.999)
    step = 0
    for epoch in range(options.epochs):
        for rows in plan_by_count(epoch_rows(), corpus.lengths, options.batch, rng):
            ids, mask = corpus.bank.gather(rows, 256)
            index = torch.from_numpy(rows).to(device)
            with autocast(device):
                answers = model(torch.cat([ids, ids]), torch.cat([mask, mask]))
            loss = 0.0
            for task, logits in answers.items():
                target = labels[task][index]
                share = (target >= 0).float()
                both = torch.cat([target, target]).clamp(min=0)
                hard = F.cross_entropy(logits, both, reduction="none", label_smoothing=0.05)
                hard = hard * torch.cat([share, share]) * weights[task][both]
                first, second = logits.log_softmax(1).chunk(2)
                apart = ((first.exp() - second.exp()) * (first - second)).sum(1) * share
                loss = loss + TASK_WEIGHT[task] * (0.5 * hard.sum() + options.rdrop * 0.5 * apart.sum())
            loss = loss / len(rows)
            set_rate(adam, step, steps, warm=0.1)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            average.update()
            step += 1
        average.swap()
        log.write(epoch=epoch + 1, steps=step, loss=round(loss.item(), 4),
                  **brief(evaluate(model, corpus, device)))
        if epoch + 1 < options.epochs:
            average.swap()
    torch.save(model.state_dict(), options.work / f"teacher_{options.seed}.pt")
    log.finish()


def distillation_rows(corpus, rng, free):
    """Labelled texts and helpers' texts, some reviews, and a sample of the unlabelled streams."""
    reviews = corpus.rows_of("shopping", "waimai", "hotel")
    reposts = corpus.rows_of("reposts", "originals")
    titles = corpus.rows_of("hot_search")
    return np.concatenate([
        corpus.rows_of("usual", "virus", "toutiao", "weibo8_part", "weibo8_simplify"),
        rng.choice(reviews, min(len(reviews), 20_000), replace=False),
        rng.choice(reposts, min(len(reposts), free), replace=False),
        rng.choice(titles, min(len(titles), free // 2), replace=False)])


def merge(options):
    log = Log(options.work, "base")
    if log.done.exists():
        return
    device = pick_device()
    rng = seed_everything(20261120)
    corpus = Corpus(options.work / "corpus.npz", device)
    extra = np.load(options.work / "augmented.npz")
    # One bank: the corpus, then the augmented texts (a sample of them).
    size = len(corpus.lengths)
    bank = TokenBank(np.concatenate([corpus.flat, extra["flat"]]),
                     np.concatenate([corpus.lengths, extra["lengths"]]), device)
    made = rng.choice(len(extra["lengths"]), min(options.augmented, len(extra["lengths"])), replace=False)
    parents = np.concatenate([np.arange(size), extra["parents"]])
    rows = np.concatenate([distillation_rows(corpus, rng, options.free), size + made])

    hard, weight, target = {}, {}, {}
    genre = {"emotion": ~corpus.is_genre("headline"), "topic": corpus.is_genre("headline")}
    for task in EXPORTED:
        values = corpus.task_labels(task)
        values[corpus.rows_of_split("eval")] = -1
        whole = np.full(len(bank), -1, np.int64)
        whole[:size] = values
        hard[task] = torch.from_numpy(whole).to(device)
        weight[task] = torch.from_numpy(np.where(genre[task][parents], 1.0, 0.2)).float().to(device)
        target[task] = torch.zeros(len(bank), len(TASKS[task]), device=device)
    model = BaseModel(head_sizes(TASKS)).to(device)
    at = torch.from_numpy(rows).to(device)
    for seed in options.seeds:
        model.load_state_dict(torch.load(options.work / f"teacher_{seed}.pt", map_location=device))
        for task, logits in predict(model, bank, rows, device, cap=256).items():
            if task in EXPORTED:
                target[task][at] += logits.to(device).softmax(1) / len(options.seeds)
    log.write(event="teachers asked", texts=len(rows))

    model = fresh_model(options.work, tuple(EXPORTED), device)
    plans = [plan_by_tokens(rows, bank.lengths, 256, options.tokens, rng) for _ in range(options.epochs)]
    steps = sum(len(plan) for plan in plans)
    adam = optimiser([(model.encoder.parameters(), options.rate, 0.01),
                      (model.heads.parameters(), 10 * options.rate, 0.01)], device)
    average = Average(model, 0.999)
    step = 0
    for epoch, plan in enumerate(plans):
        for part in plan:
            ids, mask = bank.gather(part, 256)
            index = torch.from_numpy(part).to(device)
            with autocast(device):
                answers = model(ids, mask)
            loss = 0.0
            for task, logits in answers.items():
                logs = logits.log_softmax(1)
                soft = -(target[task][index] * logs).sum(1) * weight[task][index]
                known = hard[task][index]
                own = -logs.gather(1, known.clamp(min=0)[:, None])[:, 0] * (known >= 0)
                loss = loss + soft.mean() + 0.3 * own.mean()
            set_rate(adam, step, steps)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            average.update()
            step += 1
        average.swap()
        log.write(epoch=epoch + 1, steps=step, loss=round(loss.item(), 4),
                  **brief(evaluate(model, corpus, device)))
        if epoch + 1 < options.epochs:
            average.swap()
    save_half(model, options.work / "base.safetensors")
    log.finish()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("teacher")
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--epochs", type=int, default=3)
    one.add_argument("--batch", type=int, default=64)
    one.add_argument("--rate", type=float, default=8e-5)
    one.add_argument("--rdrop", type=float, default=1.0)
    one.set_defaults(act=teach)
    many = commands.add_parser("merge")
    many.add_argument("--seeds", type=int, nargs="+", required=True)
    many.add_argument("--epochs", type=int, default=3)
    many.add_argument("--tokens", type=int, default=16384)
    many.add_argument("--rate", type=float, default=2e-4)
    many.add_argument("--free", type=int, default=200_000)
    many.add_argument("--augmented", type=int, default=400_000)
    many.set_defaults(act=merge)
    options = parser.parse_args()
    options.act(options)


if __name__ == "__main__":
    main()
