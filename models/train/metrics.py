# SPDX-License-Identifier: Apache-2.0
"""Accuracy, macro-F1, bootstrap intervals, and the pictures: confusion matrices and training curves."""
import numpy as np


def confusion_matrix(truth, guess, classes):
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)


def f1_per_class(matrix):
    hit = np.diag(matrix).astype(float)
    return 2 * hit / np.maximum(matrix.sum(0) + matrix.sum(1), 1)


def macro_f1(matrix):
    """Mean over the labels that occur as truth, as the engine's `evaluate` does."""
    return f1_per_class(matrix)[matrix.sum(1) > 0].mean()


def summarise(truth, guess, names, resamples=1000, seed=1):
    truth, guess = np.asarray(truth, np.int64), np.asarray(guess, np.int64)
    classes = len(names)
    matrix = confusion_matrix(truth, guess, classes)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(resamples):
        rows = rng.integers(0, len(truth), len(truth))
        draw = confusion_matrix(truth[rows], guess[rows], classes)
        draws.append((np.diag(draw).sum() / len(rows), macro_f1(draw)))
    result = {
        "n": len(truth),
        "accuracy": round(float((truth == guess).mean()), 4),
        "macro_f1": round(float(macro_f1(matrix)), 4),
        "f1": {name: round(float(value), 4) for name, value in zip(names, f1_per_class(matrix))},
        "confusion": matrix.tolist(),
    }
    if draws:
        low, high = np.percentile(np.array(draws), [2.5, 97.5], axis=0).round(4).tolist()
        result["accuracy_95"] = [low[0], high[0]]
        result["macro_f1_95"] = [low[1], high[1]]
    return result


def draw_confusion(path, matrix, names, title):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    matrix = np.array(matrix)
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    size = 1.6 + 0.42 * len(names)
    figure, axes = plt.subplots(figsize=(size, size), layout="constrained")
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10)
    for row, column in np.ndindex(*matrix.shape):
        if matrix[row, column]:
            axes.text(column, row, matrix[row, column], ha="center", va="center", fontsize=7,
                      color="white" if share[row, column] > 0.5 else "black")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def draw_curves(path, log, title):
    """One panel of losses and one of scores over each stage's run; nothing when there is no log."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    stages = {stage: records for stage, records in log.items() if records}
    if not stages:
        return
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    for number, (stage, records) in enumerate(stages.items()):
        color = f"C{number}"
        share = [(i + 1) / len(records) for i in range(len(records))]
        losses = [(x, r["loss"]) for x, r in zip(share, records) if "loss" in r]
        axes[0].plot(*zip(*losses), label=stage, color=color,
                     marker="." if len(losses) < 9 else None)
        for key, style in (("usual_f1", "-"), ("virus_f1", "--"), ("topic_accuracy", ":")):
            values = [(x, r[key]) for x, r in zip(share, records) if key in r]
            if values:
                axes[1].plot(*zip(*values), style, marker=".", color=color, label=f"{stage} {key}")
    axes[0].set_ylabel("training loss (of its own kind in each stage)", fontsize=8)
    axes[1].set_ylabel("score on the evaluation files (logged only)", fontsize=8)
    for axis in axes:
        axis.set_xlabel("share of the stage's records")
        axis.set_xlim(left=0)
        axis.grid(alpha=0.3)
        handles, labels = axis.get_legend_handles_labels()
        if len(labels) <= 8:
            axis.legend(fontsize=7)
        else:  # many seeds: one entry a score
            axis.legend(handles[-3:], [label.split(" ", 1)[1] for label in labels[-3:]], fontsize=7)
    figure.suptitle(f"{title}: training", fontsize=10)
    figure.savefig(path, dpi=90)
    plt.close(figure)
