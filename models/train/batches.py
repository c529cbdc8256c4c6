# SPDX-License-Identifier: Apache-2.0
"""All texts as one flat tensor on the training device, and batches of texts of like length."""
import numpy as np
import torch

from corpus import SEP, SOURCE_INDEX, SOURCES


class TokenBank:
    """Token ids of many texts. `flat` lives on the device; lengths and offsets also on the host."""

    def __init__(self, flat: np.ndarray, lengths: np.ndarray, device: torch.device):
        self.lengths = lengths.astype(np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        self.flat = torch.from_numpy(flat.astype(np.int32)).to(device)
        self.device_lengths = torch.from_numpy(self.lengths).to(device)
        self.device_offsets = torch.from_numpy(self.offsets).to(device)
        self.device = device

    def __len__(self):
        return len(self.lengths)

    def gather(self, rows: np.ndarray, cap: int):
        """ids [batch, seq] int64 and mask [batch, seq] bool; seq is a multiple of 8, at most cap."""
        seq = min(cap, -(-int(self.lengths[rows].max()) // 8) * 8)
        index = torch.from_numpy(rows).to(self.device)
        lengths = self.device_lengths[index]
        position = torch.arange(seq, device=self.device)
        mask = position[None, :] < lengths[:, None]
        at = self.device_offsets[index][:, None] + position[None, :]
        ids = self.flat[at.clamp_(max=self.flat.numel() - 1)].long() * mask
        cut = lengths > seq
        ids[:, -1] = torch.where(cut, SEP, ids[:, -1])
        return ids, mask


class Corpus:
    """corpus.npz with its bank, the label of each text, and selections by source."""

    def __init__(self, path, device):
        data = np.load(path)
        self.flat, self.lengths = data["flat"], data["lengths"]
        self.sources, self.labels = data["sources"], data["labels"]
        self.bank = TokenBank(self.flat, self.lengths, device)

    def rows_of(self, *names: str) -> np.ndarray:
        wanted = [SOURCE_INDEX[name] for name in names]
        return np.flatnonzero(np.isin(self.sources, wanted))

    def rows_of_split(self, *splits: str) -> np.ndarray:
        return self.rows_of(*[source.name for source in SOURCES if source.split in splits])

    def task_labels(self, task: str) -> np.ndarray:
        """Label index of each text for the task, -1 where it has none."""
        of_task = np.isin(self.sources, [i for i, s in enumerate(SOURCES) if s.task == task])
        return np.where(of_task, self.labels, -1).astype(np.int64)

    def is_genre(self, genre: str) -> np.ndarray:
        return np.isin(self.sources, [i for i, s in enumerate(SOURCES) if s.genre == genre])


def plan_by_tokens(rows, lengths, cap, tokens_per_batch, rng) -> list[np.ndarray]:
    """Shuffled batches of about tokens_per_batch padded tokens, each of texts of like length."""
    rows = rng.permutation(rows)
    bucket = (np.minimum(lengths[rows], cap) + 7) // 8
    rows = rows[np.argsort(bucket, kind="stable")]
    bucket = np.sort(bucket)
    batches = []
    for value in np.unique(bucket):
        members = rows[bucket == value]
        size = max(1, tokens_per_batch // int(value * 8))
        batches += [members[i:i + size] for i in range(0, len(members), size)]
    rng.shuffle(batches)
    return batches


def plan_by_count(rows, lengths, size, rng, pool=16) -> list[np.ndarray]:
    """Shuffled batches of `size` texts; sorted by length inside pools, so tasks stay mixed."""
    rows = rng.permutation(rows)
    batches = []
    for start in range(0, len(rows), size * pool):
        part = rows[start:start + size * pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i:i + size] for i in range(0, len(part), size)]
    rng.shuffle(batches)
    return batches
