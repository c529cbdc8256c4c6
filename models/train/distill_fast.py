# SPDX-License-Identifier: Apache-2.0
"""Stage 5: the fast model learns the base model's answers on every text there is.

    distill_fast.py --work WORK --name fast_1 --seed 1     # -> WORK/fast_1.safetensors
    distill_fast.py --work WORK --choose fast_1 fast_4     # the better one -> WORK/fast.safetensors

Seeds are compared by the divergence from the base model on texts set apart from the distillation texts, never on
the evaluation files.
"""
import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from batches import Corpus, TokenBank, plan_by_tokens
from labels import EXPORTED
from networks import Average, BaseModel, FastModel, head_sizes
from running import (Log, autocast, brief, evaluate, optimiser, pick_device, predict, save_half,
                     seed_everything, set_rate)

CAP = 160


def start_from_teacher(model, base):
    """Word embeddings: the teacher's, projected on their main directions and brought to unit scale."""
    words = base.encoder.word.weight.detach().float()
    words = words - words.mean(0)
    _, _, directions = torch.linalg.svd(words[103:], full_matrices=False)
    small = words @ directions[:model.word.embedding_dim].T
    with torch.no_grad():
        model.word.weight.copy_(small / small[103:].std() * 0.5)


def choose(work, names):
    def held_out(name):
        records = [json.loads(line) for line in (work / f"{name}.jsonl").read_text().splitlines()]
        return [record["held_out"] for record in records if "held_out" in record][-1]
    best = min(names, key=held_out)
    shutil.copyfile(work / f"{best}.safetensors", work / "fast.safetensors")
    print("distill_fast: held-out divergence", {name: held_out(name) for name in names}, "->", best)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--name", default="fast_1")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--tokens", type=int, default=98304, help="padded tokens a batch")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--temperature", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--choose", nargs="+", help="names of trained students")
    options = parser.parse_args()
    if options.choose:
        choose(options.work, options.choose)
        return
    log = Log(options.work, options.name)
    if log.done.exists():
        return
    device = pick_device()
    rng = seed_everything(20261130 + options.seed)
    corpus = Corpus(options.work / "corpus.npz", device)
    extra = np.load(options.work / "augmented.npz")
    size = len(corpus.lengths)
    bank = TokenBank(np.concatenate([corpus.flat, extra["flat"]]),
                     np.concatenate([corpus.lengths, extra["lengths"]]), device)
    parents = np.concatenate([np.arange(size), extra["parents"]])
    rows = np.concatenate([corpus.rows_of_split("train", "free"), np.arange(size, len(bank))])

    base = BaseModel(head_sizes()).to(device)
    base.load_state_dict({k: v.float() for k, v in load_file(options.work / "base.safetensors").items()})
    log.write(event="base", **brief(evaluate(base, corpus, device)))
    cache = options.work / "base_answers.pt"
    if cache.exists():
        target = {task: value.to(device) for task, value in torch.load(cache).items()}
    else:
        target = {task: torch.zeros(len(bank), logits.shape[1], dtype=torch.half).index_copy_(
                      0, torch.from_numpy(rows), logits.half()).to(device)
                  for task, logits in predict(base, bank, rows, device, cap=256).items()}
        partial = options.work / f".{options.name}.answers"
        torch.save({task: value.cpu() for task, value in target.items()}, partial)
        partial.rename(cache)  # other seeds may be waiting for it
    log.write(event="base answered", texts=len(rows), tokens=int(bank.lengths[rows].sum()))

    genre = {"emotion": ~corpus.is_genre("headline"), "topic": corpus.is_genre("headline")}
    weight = {task: torch.from_numpy(np.where(genre[task][parents], 1.0, 0.15)).float().to(device)
              for task in EXPORTED}
    held = rng.permutation(corpus.rows_of_split("free"))[:8192]
    rows = rows[~np.isin(rows, held)]

    model = FastModel(head_sizes(), layers=options.layers).to(device).train()
    start_from_teacher(model, base)
    adam = optimiser([(model.parameters(), options.rate, 0.01)], device)
    average = Average(model, 0.999)

    def divergence(logits, index):
        loss = 0.0
        for task, values in logits.items():
            t = options.temperature
            want = (target[task][index].float() / t).softmax(1)
            have = (values / t).log_softmax(1)
            gap = F.kl_div(have, want, reduction="none").sum(1)
            loss = loss + (gap * weight[task][index]).mean() * t * t
        return loss

    @torch.no_grad()
    def held_out():
        logits = {task: v.to(device) for task, v in predict(model, bank, held, device, cap=CAP).items()}
        return round(divergence(logits, torch.from_numpy(held).to(device)).item(), 4)

    plan, step, epoch = [], 0, 0
    total = torch.zeros((), device=device)
    while step < options.steps:
        if not plan:
            plan = plan_by_tokens(rows, bank.lengths, CAP, options.tokens, rng)
            epoch += 1
        part = plan.pop()
        ids, mask = bank.gather(part, CAP)
        index = torch.from_numpy(part).to(device)
        set_rate(adam, step, options.steps)
        with autocast(device):
            logits = model(ids, mask)
        loss = divergence(logits, index)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        average.update()
        total += loss.detach()
        step += 1
        if step % 2000 == 0:
            average.swap()
            log.write(step=step, epoch=epoch, loss=round(total.item() / 2000, 4), held_out=held_out(),
                      **brief(evaluate(model, corpus, device)))
            average.swap()
            total.zero_()
    average.swap()
    log.write(step=step, epoch=epoch, held_out=held_out(), **brief(evaluate(model, corpus, device)))
    model.eval().cpu().fold()
    save_half(model, options.work / f"{options.name}.safetensors")
    log.finish()


if __name__ == "__main__":
    main()
