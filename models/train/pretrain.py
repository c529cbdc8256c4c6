# SPDX-License-Identifier: Apache-2.0
"""Stage 1: continued masked-word training of the encoder on all training and unlabelled texts.

Spans of one to three tokens are masked until 20 % are; 80 % of them become [MASK], 10 % another token.
Writes WORK/encoder.pt with the encoder and the masked-word head (which augment.py uses).
"""
import argparse
from pathlib import Path

import torch
from torch.nn import functional as F

from batches import Corpus, plan_by_tokens
from corpus import MASK
from networks import FIRST_REAL_ID, VOCABULARY, Encoder, MaskedWordHead
from running import Log, autocast, optimiser, pick_device, seed_everything, set_rate


def mask_spans(ids, mask, share=0.20):
    """Returns (changed ids, chosen positions)."""
    usable = mask & (ids >= FIRST_REAL_ID)
    start = torch.rand(ids.shape, device=ids.device) < share / 1.9
    longer = torch.rand(ids.shape, device=ids.device)
    chosen = start.clone()
    chosen[:, 1:] |= start[:, :-1] & (longer[:, :-1] < 0.6)
    chosen[:, 2:] |= start[:, :-2] & (longer[:, :-2] < 0.3)
    chosen &= usable
    how = torch.rand(ids.shape, device=ids.device)
    other = torch.randint(FIRST_REAL_ID, VOCABULARY, ids.shape, device=ids.device)
    changed = torch.where(chosen & (how < 0.8), MASK, ids)
    return torch.where(chosen & (how >= 0.9), other, changed), chosen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=Path("../../../shared"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6255)
    parser.add_argument("--tokens", type=int, default=32768, help="padded tokens a batch")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--cap", type=int, default=128)
    options = parser.parse_args()
    log = Log(options.work, "pretrain")
    if log.done.exists():
        return
    device = pick_device()
    rng = seed_everything(20261101)
    corpus = Corpus(options.work / "corpus.npz", device)
    encoder = Encoder()
    encoder.load_bert(options.shared / "models/bge-small-zh-v1.5/model.fp16.safetensors")
    head = MaskedWordHead()
    for module in (encoder, head):
        module.to(device).train()
    adam = optimiser([(encoder.parameters(), options.rate, 0.01), (head.parameters(), options.rate, 0.01)],
                     device)
    parameters = [p for group in adam.param_groups for p in group["params"]]
    rows = corpus.rows_of_split("train", "free")
    plan, step = [], 0
    total = torch.zeros((), device=device)
    while step < options.steps:
        if not plan:
            plan = plan_by_tokens(rows, corpus.lengths, options.cap, options.tokens, rng)
            log.write(event="epoch", step=step, batches=len(plan))
        ids, mask = corpus.bank.gather(plan.pop(), options.cap)
        changed, chosen = mask_spans(ids, mask)
        set_rate(adam, step, options.steps)
        with autocast(device):
            hidden = encoder(changed, mask)
            logits = head(hidden[chosen], encoder.word)
        loss = F.cross_entropy(logits.float(), ids[chosen])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        total += loss.detach()
        step += 1
        if step % 250 == 0:
            log.write(step=step, loss=round(total.item() / 250, 4))
            total.zero_()
    torch.save({"encoder": encoder.state_dict(), "head": head.state_dict()}, options.work / "encoder.pt")
    log.write(steps=step)
    log.finish()


if __name__ == "__main__":
    main()
