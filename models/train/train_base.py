# SPDX-License-Identifier: Apache-2.0
"""Stage 4: the base model, one student of all teachers.

    train_base.py --work WORK --name base_1 --seed 1     # one student -> WORK/base_1.safetensors
    train_base.py --work WORK --choose base_1 base_2     # the better one by the judge's texts -> WORK/base.safetensors

Starts between bge's weights (better for topics) and those trained further on posts (better for emotion): `--blend`
is the latter's share. Learns the teachers' answers (targets.py) on labelled, unlabelled and rewritten texts. The
evaluation files are only logged.
"""
import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch

from batches import Corpus, fixed_plan, plan_by_width
from networks import BaseModel, head_sizes
from running import Log, pick_device, save_half, seed_everything
from targets import Targets
from trainer import Trainer, ramp, side_stream


def blended_encoder(work, share):
    bge, words = (torch.load(work / f"{name}.pt", map_location="cpu")["encoder"] for name in ("bge", "encoder"))
    return {name: bge[name].float() * (1 - share) + words[name].float() * share for name in bge}


def epoch_rows(targets, rng, options):
    """Labelled texts twice, the helpers' texts, and samples of the rest."""
    def some(rows, count):
        return rng.choice(rows, min(count, len(rows)), replace=False)
    labelled = targets.rows_of("usual", "virus", "toutiao")
    return np.concatenate([
        labelled, labelled, targets.rows_of("weibo8_part", "weibo8_simplify"),
        some(targets.rows_of("shopping", "waimai", "hotel"), 20_000),
        some(targets.rows_of("reposts", "originals"), options.free),
        some(targets.rows_of("hot_search"), options.free),
        some(targets.augmented, options.augmented)])


def train(options):
    log = Log(options.work, options.name)
    if log.done.exists():
        return
    device = pick_device()
    rng = seed_everything(20261120 + options.seed)
    corpus = Corpus(options.work / "corpus.npz", device)
    targets = Targets(corpus, options.work, device)
    log.write(event="teachers", **targets.teachers_scores())
    model = BaseModel(head_sizes())
    model.encoder.load_state_dict(blended_encoder(options.work, options.blend))
    bank = targets.bank

    def loss_fn(network, width, rows, real):
        return targets.divergence(network(*bank.gather_fixed(rows, width)), rows, real)

    epochs = [plan_by_width(epoch_rows(targets, rng, options), bank.lengths, options.tokens, rng)
              for _ in range(options.epochs)]
    plan = fixed_plan([part for batches in epochs for part in batches], bank.lengths, device)
    ends = np.cumsum([len(batches) for batches in epochs]).tolist()
    trainer = Trainer(model, [(model.encoder.parameters(), options.rate, 0.01),
                              (model.heads.parameters(), 10 * options.rate, 0.01)], loss_fn, device)
    for step, (width, rows, real) in enumerate(plan):
        trainer.step(ramp(step, len(plan), 0.06), width, rows, real)
        if step + 1 in ends:
            number = ends.index(step + 1)
            loss = trainer.mean_loss(len(epochs[number]))
            log.write(epoch=number + 1, steps=step + 1, loss=loss, **targets.scores(trainer.averaged()))
            trainer.pull()
    save_half(trainer.take_average(), options.work / f"{options.name}.safetensors")
    log.finish()


def judged(work, name):
    records = [json.loads(line) for line in (work / f"{name}.jsonl").read_text().splitlines()]
    return [record["judge"] for record in records if "judge" in record][-1]


def choose(work, names):
    best = min(names, key=lambda name: judged(work, name))
    shutil.copyfile(work / f"{best}.safetensors", work / "base.safetensors")
    shutil.copyfile(work / f"{best}.jsonl", work / "base.jsonl")
    print("train_base: judge", {name: judged(work, name) for name in names}, "->", best)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--name", default="base_1")
    parser.add_argument("--choose", nargs="+", help="names of trained students")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blend", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--free", type=int, default=200_000, help="reposts, and as many titles, an epoch")
    parser.add_argument("--augmented", type=int, default=400_000, help="rewritten texts an epoch")
    options = parser.parse_args()
    if options.choose:
        choose(options.work, options.choose)
        return
    with side_stream(pick_device()):
        train(options)


if __name__ == "__main__":
    main()
