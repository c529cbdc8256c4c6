# SPDX-License-Identifier: Apache-2.0
"""Stage 1: continued masked-word training of an encoder on all training and unlabelled texts.

    pretrain.py --work WORK                                                       # bge -> encoder.pt, 4 layers
    pretrain.py --work WORK --name encoder8 --start encoder --layers 8 --steps 3199   # a deeper teacher's

Spans of one to three tokens are masked until 20 % are; 80 % of them become [MASK], 10 % another token. Layers are
added by repeating those there are. Writes WORK/NAME.pt with the encoder and the masked-word head (which augment.py
uses); WORK/bge.pt is the encoder as it was given.
"""
import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from batches import Corpus, plan_by_tokens
from corpus import MASK
from networks import FIRST_REAL_ID, VOCABULARY, Encoder, MaskedWordHead, stack_layers
from running import Log, pick_device, seed_everything
from trainer import Trainer, ramp


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


class MaskedWordModel(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.encoder = Encoder(layers=layers)
        self.head = MaskedWordHead()

    def start_from(self, path):
        state = torch.load(path, map_location="cpu")
        self.encoder.load_state_dict(stack_layers(state["encoder"], len(self.encoder.layers)))
        if "head" in state:
            self.head.load_state_dict(state["head"])


def keep_given_encoder(shared, work):
    if not (work / "bge.pt").exists():
        encoder = Encoder()
        encoder.load_bert(shared / "models/bge-small-zh-v1.5/model.fp16.safetensors")
        torch.save({"encoder": encoder.state_dict()}, work / "bge.pt")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=Path("../../../shared"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--name", default="encoder")
    parser.add_argument("--start", default="bge")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3872)
    parser.add_argument("--tokens", type=int, default=32768, help="padded tokens a batch")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--cap", type=int, default=128)
    options = parser.parse_args()
    log = Log(options.work, "pretrain" if options.name == "encoder" else f"pretrain_{options.name}")
    if log.done.exists():
        return
    device = pick_device()
    rng = seed_everything(20261101)
    corpus = Corpus(options.work / "corpus.npz", device)
    keep_given_encoder(options.shared, options.work)
    model = MaskedWordModel(options.layers)
    model.start_from(options.work / f"{options.start}.pt")

    def loss_fn(network, cap, part):
        ids, mask = corpus.bank.gather(part, cap)
        changed, chosen = mask_spans(ids, mask)
        hidden = network.encoder(changed, mask)[chosen]
        return F.cross_entropy(network.head(hidden, network.encoder.word).float(), ids[chosen])

    trainer = Trainer(model, [(model.parameters(), options.rate, 0.01)], loss_fn, device)
    rows = corpus.rows_of_split("train", "free")
    plan, warm = [], min(0.1, 300 / options.steps)
    for step in range(options.steps):
        if not plan:
            plan = plan_by_tokens(rows, corpus.lengths, options.cap, options.tokens, rng)
            log.write(event="epoch", step=step, batches=len(plan))
        torch.mul(trainer.peaks, ramp(step, options.steps, warm), out=trainer.rates)
        trainer.plain_step(options.cap, plan.pop())  # the number of masked words varies: no graph
        if (step + 1) % 250 == 0:
            log.write(step=step + 1, loss=trainer.mean_loss(250))
    torch.save({"encoder": model.encoder.state_dict(), "head": model.head.state_dict()},
               options.work / f"{options.name}.pt")
    log.finish()


if __name__ == "__main__":
    main()
