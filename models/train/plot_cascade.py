# SPDX-License-Identifier: Apache-2.0
"""Draws docs/images/cascade.png from the curves of `tidewatch evaluate --model auto --curve FILE`.

    plot_cascade.py --out docs/images/cascade.png "SMP2020 usual=usual.json" "SMP2020 virus=virus.json" …
"""
import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HALF_HEIGHT = 0.018  # of macro-F1: the same in every picture, so that noise looks like noise


def draw(axes, title, curve):
    points = curve["points"]
    share = [100 * p["escalated"] for p in points]
    score = [p["macro_f1"] for p in points]
    axes.plot(share, score, "o-", color="#1f5fa8", markersize=3.5, linewidth=1.2)
    axes.axhline(score[0], color="#999999", linewidth=0.8, linestyle=":")
    axes.axhline(score[-1], color="#999999", linewidth=0.8, linestyle="--")
    middle = (max(score) + min(score)) / 2
    axes.set_ylim(middle - HALF_HEIGHT, middle + HALF_HEIGHT)
    first_below = score[0] < score[-1]
    for name, value, below in (("fast", score[0], first_below), ("base", score[-1], not first_below)):
        axes.annotate(f"{name} alone", (100, value), xytext=(0, -3 if below else 3), textcoords="offset points",
                      fontsize=7, color="#666666", ha="right", va="top" if below else "bottom")
    chosen = curve["margin"]
    at = min(range(len(points)), key=lambda i: abs(points[i]["margin"] - chosen))
    axes.plot(share[at], score[at], "o", color="#c0392b", markersize=7,
              label=f"default margin {chosen:.2f}: {share[at]:.1f} % escalated, {score[at]:.3f}")
    axes.legend(fontsize=7, loc="lower center", frameon=False)
    axes.set_title(f"{title} ({curve['task']}, n = {curve['n']:,})", fontsize=9)
    axes.set_xlabel("texts that go to base, %", fontsize=8)
    axes.set_ylabel("macro-F1", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25, linewidth=0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("curves", nargs="+", metavar="TITLE=FILE")
    options = parser.parse_args()
    figure, axes = plt.subplots(1, len(options.curves), figsize=(4.2 * len(options.curves), 3.4), squeeze=False)
    for each, argument in zip(axes[0], options.curves):
        title, file = argument.split("=", 1)
        draw(each, title, json.loads(Path(file).read_text()))
    figure.tight_layout()
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
