# SPDX-License-Identifier: Apache-2.0
"""Stage 2: new texts for the students, as TinyBERT made them: mask a quarter of the tokens of a labelled
text and draw replacements from the masked-word model. Teachers answer them.

Writes WORK/augmented.npz: flat ids, lengths, and the row of the text that each came from.
"""
import argparse
from pathlib import Path

import numpy as np
import torch

from batches import Corpus, plan_by_tokens
from corpus import MASK
from networks import FIRST_REAL_ID, Encoder, MaskedWordHead
from running import Log, autocast, pick_device, seed_everything


@torch.no_grad()
def rewrite(encoder, head, ids, mask, share):
    chosen = mask & (ids >= FIRST_REAL_ID) & (torch.rand(ids.shape, device=ids.device) < share)
    hidden = encoder(torch.where(chosen, MASK, ids), mask)
    logits = head(hidden[chosen], encoder.word).float()
    logits[:, :FIRST_REAL_ID] = -1e9
    best, words = logits.topk(12, dim=1)
    pick = torch.multinomial((best / 1.2).softmax(1), 1)
    result = ids.clone()
    result[chosen] = words.gather(1, pick)[:, 0]
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--copies-emotion", type=int, default=10)
    parser.add_argument("--copies-topic", type=int, default=16)
    parser.add_argument("--cap", type=int, default=128)
    options = parser.parse_args()
    log = Log(options.work, "augment")
    if log.done.exists():
        return
    device = pick_device()
    rng = seed_everything(20261102)
    corpus = Corpus(options.work / "corpus.npz", device)
    state = torch.load(options.work / "encoder.pt", map_location=device)
    encoder, head = Encoder().to(device).eval(), MaskedWordHead().to(device).eval()
    encoder.load_state_dict(state["encoder"])
    head.load_state_dict(state["head"])
    flat, lengths, parents = [], [], []
    jobs = [(corpus.rows_of("usual", "virus"), options.copies_emotion),
            (corpus.rows_of("toutiao"), options.copies_topic)]
    with autocast(device):
        for rows, copies in jobs:
            for copy in range(copies):
                share = (0.15, 0.25, 0.35)[copy % 3]
                for part in plan_by_tokens(rows, corpus.lengths, options.cap, 65536, rng):
                    ids, mask = corpus.bank.gather(part, options.cap)
                    new = rewrite(encoder, head, ids, mask, share)
                    flat.append(new[mask].to(torch.int32).cpu().numpy().astype(np.uint16))
                    lengths.append(mask.sum(1).cpu().numpy())
                    parents.append(part)
    np.savez(options.work / "augmented.npz", flat=np.concatenate(flat),
             lengths=np.concatenate(lengths).astype(np.int32), parents=np.concatenate(parents))
    log.write(texts=int(sum(len(part) for part in parents)))
    log.finish()


if __name__ == "__main__":
    main()
