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


    def gather_fixed(self, rows: torch.Tensor, seq: int):
        """As `gather`, of rows on the device and a given width: no work on the host, so it can be captured."""
        lengths = self.device_lengths[rows]
        position = torch.arange(seq, device=rows.device)
        mask = position[None, :] < lengths[:, None]
        at = self.device_offsets[rows][:, None] + position[None, :]
        ids = self.flat[at.clamp(max=self.flat.numel() - 1)].long() * mask
        last = torch.where(lengths > seq, SEP, ids[:, -1])
        return torch.cat([ids[:, :-1], last[:, None]], 1), mask


FOLDS = 5


class Corpus:
    """corpus.npz with its bank, the label of each text, and selections by source."""

    def __init__(self, path, device):
        data = np.load(path)
        self.flat, self.lengths = data["flat"], data["lengths"]
        self.sources, self.labels = data["sources"], data["labels"]
        self.bank = TokenBank(self.flat, self.lengths, device)
        # Every text belongs to one fold: the fold's teachers neither learn from it nor see its label.
        self.fold = np.random.default_rng(20261140).integers(0, FOLDS, len(self.lengths)).astype(np.int8)

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


WIDTHS = [16, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256]


def fixed_plan(batches, lengths, device):
    """[(width, rows on the device, 1 for each real row)] of batches; a short batch is filled with its first row."""
    size = {}
    widths = [next(w for w in WIDTHS if w >= min(256, int(lengths[part].max()))) for part in batches]
    for width, part in zip(widths, batches):
        size[width] = max(size.get(width, 0), len(part))
    plan = []
    for width, part in zip(widths, batches):
        fill = size[width] - len(part)
        rows = np.concatenate([part, np.repeat(part[:1], fill)])
        real = np.concatenate([np.ones(len(part), np.float32), np.zeros(fill, np.float32)])
        plan.append((width, torch.from_numpy(rows).to(device), torch.from_numpy(real).to(device)))
    return plan


def plan_by_width(rows, lengths, tokens_per_batch, rng) -> list[np.ndarray]:
    """Shuffled batches of about tokens_per_batch padded tokens, padded to one of WIDTHS."""
    rows = rng.permutation(rows)
    bucket = np.searchsorted(WIDTHS, np.minimum(lengths[rows], WIDTHS[-1]))
    batches = []
    for value in np.unique(bucket):
        members, size = rows[bucket == value], max(1, tokens_per_batch // WIDTHS[value])
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
