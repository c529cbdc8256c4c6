# SPDX-License-Identifier: Apache-2.0
"""Chooses the cascade's margins without labels: how often `base` would answer otherwise.

    choose_margin.py --tidewatch build/release/bin/tidewatch --shared ../shared --out margin.json

Draws distinct CED reposts by seed, lets the engine classify them with `fast` and with `base`, and goes up in
steps of 0.05: a step is worth taking while `base` names another label for at least WORTH of the texts that
it adds. A topic that only crosses the floor under which it counts as "unknown" keeps its name: the two models
differ in how sure they are, nothing says that one of them is wrong, and so that alone is not worth a run.
"""
import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

STEP, WORTH, FLOOR = 0.05, 0.4, 0.5


def draw(shared, count, seed):
    rows = subprocess.run(["zstd", "-dc", shared / "data/stream/ced_reposts.tsv.zst"], check=True,
                          capture_output=True).stdout.decode("utf-8", "replace").split("\n")[1:]
    texts = {row.split("\t", 4)[4].replace("\r", " ").strip() for row in rows if row.count("\t") >= 4}
    texts = sorted(texts - {""})
    random.Random(seed).shuffle(texts)
    return texts[:count]


def classify(tidewatch, model, texts):
    """[(emotion probabilities, topic probabilities)] by text."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(texts) + "\n")
        file.flush()
        lines = subprocess.run([tidewatch, "classify", "--model", model, file.name], check=True,
                               capture_output=True, text=True, encoding="utf-8").stdout.splitlines()
    assert len(lines) == len(texts)
    answers = map(json.loads, lines)
    return [(a["emotion"]["probabilities"], a["topic"]["probabilities"]) for a in answers]


def best(probabilities, floor):
    """(label or "unknown", margin), as infer/cascade.h has it."""
    outcomes = list(probabilities.items()) + ([("unknown", floor)] if floor > 0 else [])
    outcomes.sort(key=lambda item: -item[1])
    return outcomes[0][0], outcomes[0][1] - outcomes[1][1]


def steps(first, second, task, floor):
    rows = []
    for one, other in zip(first, second):
        label, margin = best(one[task], floor)
        answer = best(other[task], floor)[0]
        rows.append((margin, label != answer, "unknown" not in (label, answer) and label != answer))
    total = len(rows)
    disagreements = sum(row[1] for row in rows)
    result = []
    for i in range(20):
        low, high = i * STEP, (i + 1) * STEP
        band = [row for row in rows if low <= row[0] < high]
        inside = [row for row in rows if row[0] < high]
        result.append({
            "margin": round(high, 2),
            "escalated": round(len(inside) / total, 4),
            "renamed_in_step": round(sum(row[2] for row in band) / max(1, len(band)), 4),
            "changed_in_step": round(sum(row[1] for row in band) / max(1, len(band)), 4),
            "agreement": round(1 - (disagreements - sum(row[1] for row in inside)) / total, 4),
        })
    return {"disagreement": round(disagreements / total, 4),
            "names_another_label": round(sum(row[2] for row in rows) / total, 4), "steps": result}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tidewatch", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--texts", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    texts = draw(options.shared, options.texts, options.seed)
    first, second = (classify(options.tidewatch, model, texts) for model in ("fast", "base"))
    record = {"texts": len(texts), "seed": options.seed, "worth": WORTH, "topic_floor": FLOOR,
              "emotion": steps(first, second, 0, 0.0), "topic": steps(first, second, 1, FLOOR)}
    for task in ("emotion", "topic"):
        margin = 0.0
        for step in record[task]["steps"]:
            if step["renamed_in_step"] < WORTH:
                break
            margin = step["margin"]
        print(f"{task}: worth its cost up to {margin}; fast and base answer otherwise for "
              f"{record[task]['disagreement']:.1%}, with another label for {record[task]['names_another_label']:.2%}")
        for step in record[task]["steps"][:8]:
            print("   ", step)
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
