# SPDX-License-Identifier: Apache-2.0
"""What the students learn: for each text the teachers' mean answer, mixed with its label where it has one.

Every text is answered by the teachers of its own fold only (see teachers.py). A small share of the labelled texts,
with all that was rewritten from them, is set apart: by them students are compared ("judge"); their figures are the
divergence from the teachers' answer and the log loss of the label, never the evaluation files.
"""
from pathlib import Path

import numpy as np
import torch

from batches import FOLDS
from corpus import SOURCE_INDEX
from labels import EXPORTED, TASKS
import metrics
from teachers import EMOTION_MIX, TOPIC_MIX, answers, bank_with_augmented

JUDGE_SHARE = 0.04
OWN_LABEL, PARENTS_LABEL = 0.5, 0.2  # shares of the true label in a text's target
OTHER_GENRE = 0.2  # weight of emotion on headlines, and of topic on posts and reviews
COVID_WORDS = ["肺炎", "疫情", "新冠", "病毒", "口罩", "隔离", "确诊", "武汉", "核酸", "抗疫", "疫苗"]
VOCABULARY_FILE = Path(__file__).resolve().parent.parent / "base/vocab.txt"


def about_covid(bank):
    """Whether one of COVID_WORDS stands in each text."""
    words = VOCABULARY_FILE.read_text(encoding="utf-8").split("\n")
    ids = {word: index for index, word in enumerate(words)}
    flat = bank.flat.cpu().numpy()
    found = np.zeros(len(bank), bool)
    for first, second in COVID_WORDS:
        at = np.flatnonzero((flat[:-1] == ids[first]) & (flat[1:] == ids[second]))
        found[np.searchsorted(bank.offsets, at, side="right") - 1] = True
    return found


class Targets:
    def __init__(self, corpus, work, device):
        self.corpus, self.device = corpus, device
        self.bank, self.parents = bank_with_augmented(corpus, work, device)
        size, total = len(corpus.labels), len(self.bank)
        virus = SOURCE_INDEX["virus"], SOURCE_INDEX["virus_eval"]
        usual = SOURCE_INDEX["usual"], SOURCE_INDEX["usual_eval"]
        source = corpus.sources[self.parents]
        covid = np.isin(source, virus) | (~np.isin(source, usual) & about_covid(self.bank))
        mean = {task: np.zeros((total, len(TASKS[task])), np.float32) for task in EXPORTED}
        count = np.zeros((total, 1), np.float32)
        for fold in range(FOLDS):
            for task, mix in (("emotion", EMOTION_MIX), ("topic", TOPIC_MIX)):
                for name, weight in mix.items():
                    with np.load(work / "answers" / f"{name}_{fold}.npz") as data:
                        rows = data["rows"]
                        answer = data["topic"] if task == "topic" else np.where(
                            covid[rows][:, None], data["virus"], data["usual"])
                        mean[task][rows] += answer.astype(np.float32) * (weight / sum(mix.values()))
            count[rows] += 1
        self.teachers = {task: value / np.maximum(count, 1) for task, value in mean.items()}
        self.labels = {}
        labelled = corpus.rows_of("usual", "virus", "toutiao")
        rng = np.random.default_rng(20261150)
        self.judge = labelled[rng.random(len(labelled)) < JUDGE_SHARE]
        self.usable = ~np.isin(self.parents, np.concatenate([self.judge, corpus.rows_of_split("eval")]))
        self.augmented = np.flatnonzero(self.usable & (np.arange(total) >= size))
        self.target, self.weight = {}, {}
        headline = corpus.is_genre("headline")[self.parents]
        for task in EXPORTED:
            labels = corpus.task_labels(task)
            self.labels[task] = labels
            label = labels[self.parents]
            share = np.where(np.arange(total) < size, OWN_LABEL, PARENTS_LABEL) * (label >= 0) * self.usable
            mixed = self.teachers[task] * (1 - share)[:, None].astype(np.float32)
            mixed[np.arange(total), np.maximum(label, 0)] += share.astype(np.float32)
            self.target[task] = torch.from_numpy(mixed).half().to(device)
            same = headline if task == "topic" else ~headline
            self.weight[task] = torch.from_numpy(np.where(same, 1.0, OTHER_GENRE)).float().to(device)

    def rows_of(self, *names):
        rows = self.corpus.rows_of(*names)
        return rows[self.usable[rows]]

    def divergence(self, logits, rows, real, temperature=1.0):
        """Mean over the real texts of the tasks' KL divergences from the target."""
        loss = 0.0
        for task, values in logits.items():
            want = self.target[task][rows].float()
            if temperature != 1.0:
                want = want.clamp(min=1e-5) ** (1 / temperature)
                want = want / want.sum(1, keepdim=True)
            gap = (want * (want.clamp(min=1e-6).log() - (values / temperature).log_softmax(1))).sum(1)
            loss = loss + (gap * self.weight[task][rows] * real).sum() * temperature ** 2
        return loss / real.sum().clamp(min=1.0)

    FILES = [("usual", "emotion", "usual"), ("virus", "emotion", "virus"), ("toutiao", "topic", "toutiao"),
             ("usual_eval", "emotion", "usual_f1"), ("virus_eval", "emotion", "virus_f1"),
             ("topic_dev", "topic", "topic_accuracy")]

    def scores(self, model):
        """The judge's figures, and the evaluation files' for the log."""
        record, sums = {}, {"emotion": [], "topic": []}
        for name, head, title in self.FILES:
            rows = self.corpus.rows_of(name)
            judged = not name.endswith(("_eval", "_dev"))
            if judged:
                rows = np.intersect1d(rows, self.judge)
                if not len(rows):  # a trial run
                    continue
            given = answers(model, self.bank, rows, self.device, [head])[head].astype(np.float64)
            truth = self.corpus.labels[rows].astype(np.int64)
            if judged:
                logs = np.log(given + 1e-6)
                want = self.teachers[head][rows].astype(np.float64)
                gap = (want * (np.log(want + 1e-6) - logs)).sum(1).mean()
                loss = -logs[np.arange(len(rows)), truth].mean()
                record[f"judge_{name}"] = [round(float(v), 4) for v in (gap, loss, (given.argmax(1) == truth).mean())]
                sums[head].append(gap + loss)
            else:
                record[title] = self.measure(head, truth, given.argmax(1))
        record["judge"] = round(float(sum(np.mean(values) for values in sums.values() if values)), 4)
        return record

    @staticmethod
    def measure(task, truth, guess):
        value = ((guess == truth).mean() if task == "topic" else
                 metrics.macro_f1(metrics.confusion_matrix(truth, guess, len(TASKS[task]))))
        return round(float(value), 4)

    def teachers_scores(self):
        """Of the teachers' mean answer: on the training texts, each by teachers that never saw it; and the log's."""
        record = {}
        for name, head, title in self.FILES:
            rows = self.corpus.rows_of(name)
            record[title] = self.measure(head, self.corpus.labels[rows].astype(np.int64),
                                        self.teachers[head][rows].argmax(1))
        return record
