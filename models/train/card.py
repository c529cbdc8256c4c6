# SPDX-License-Identifier: Apache-2.0
"""Model cards: cards/NAME.md with its $placeholders filled from metrics.json.

Placeholders: $results (table with 95 % intervals), $weakest (the labels with the lowest F1 in each file),
$teachers (table of the teachers' scores), $seeds (spread over the student's seeds), $version. Words that no run can produce (data, licences, known
weaknesses) stand in the template.
"""
import json
from pathlib import Path
from string import Template

CARDS = Path(__file__).resolve().parent / "cards"
TITLES = {"usual_eval": "SMP2020 usual eval", "virus_eval": "SMP2020 virus eval",
          "topic_dev": "Toutiao dev, 14 topics"}


def interval(result, key):
    low, high = result[f"{key}_95"]
    return f"{result[key]:.3f} ({low:.3f}-{high:.3f})"


def results_table(scores, reference=None):
    """One row a file; with `reference` (another model's scores) also the share of its macro-F1."""
    head = "| file | n | accuracy (95 %) | macro-F1 (95 %) |" + (" share of base's macro-F1 |" if reference else "")
    rows = [head, "|---" * (head.count("|") - 1) + "|"]
    for name, result in scores.items():
        row = (f"| {TITLES.get(name, name)} | {result['n']:,} | {interval(result, 'accuracy')} "
               f"| {interval(result, 'macro_f1')} |")
        if reference:
            row += f" {100 * result['macro_f1'] / reference[name]['macro_f1']:.1f} % |"
        rows.append(row)
    return "\n".join(rows)


def weakest(scores, count=2):
    parts = []
    for name, result in scores.items():
        support = dict(zip(result["f1"], (sum(row) for row in result["confusion"])))
        low = sorted((f1, label) for label, f1 in result["f1"].items() if support[label])[:count]
        listed = ", ".join(f"`{label}` {f1:.2f} (n = {support[label]})" for f1, label in low)
        parts.append(f"{TITLES.get(name, name)}: {listed}")
    return "; ".join(parts)


def seeds(log, prefix):
    """The lowest and highest last score over the runs whose stage starts with `prefix`."""
    last = [records[-1] for stage, records in log.items() if stage.startswith(prefix) and records]
    if len(last) < 2:
        return "not measured"
    spread = []
    for key, title in (("usual_f1", "usual macro-F1"), ("virus_f1", "virus macro-F1"),
                       ("topic_accuracy", "topic accuracy")):
        values = [record[key] for record in last]
        spread.append(f"{title} {min(values):.3f}-{max(values):.3f}")
    return f"{', '.join(spread)} ({len(last)} seeds)"


def teachers_table(teachers):
    columns = {"usual": "usual", "virus": "virus", "toutiao": "topic", "usual_f1": "usual eval",
               "virus_f1": "virus eval", "topic_accuracy": "topic dev"}
    rows = ["| teacher | " + " | ".join(columns.values()) + " |", "|---" * (len(columns) + 1) + "|"]
    rows += [f"| {name} | " + " | ".join(f"{scores[key]:.3f}" if key in scores else "" for key in columns) + " |"
             for name, scores in teachers.items()]
    return "\n".join(rows)


def write(folder, record):
    template = CARDS / f"{record['model']}.md"
    scores = record["evaluation"]
    base = folder.parent / "base" / "metrics.json"
    reference = None
    if record["model"] != "base" and base.exists():
        reference = json.loads(base.read_text(encoding="utf-8"))["evaluation"]
    text = Template(template.read_text(encoding="utf-8")).substitute(
        version=record["version"], results=results_table(scores, reference), weakest=weakest(scores),
        teachers=teachers_table(record.get("teachers", {})),
        seeds=seeds(record["training_log"], f"{record['model']}_"))
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")
