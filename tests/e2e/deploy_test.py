# SPDX-License-Identifier: Apache-2.0
"""The dashboard and the alert rules under deploy/ name only metrics that the engine exports."""

import json
import pathlib
import re
import tempfile
import unittest

from engine import Engine, binary_from_environment

BINARY = binary_from_environment()
DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"

# Exported only while a canary runs.
SOMETIMES = re.compile(r"tidewatch_canary_(percent|disagreement|accuracy|latency_p99_seconds)")
# Prometheus' own.
FOREIGN = {"up"}
NAME = re.compile(r"\b(?:tidewatch|process)_[a-z0-9_]+|\bup(?=\{)")


def expressions():
    """(where, PromQL) of everything under deploy/."""
    dashboard = json.loads((DEPLOY / "grafana" / "tidewatch.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        yield variable["name"], variable.get("definition", "")
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    # One expression a line, so that no YAML reader is needed.
    name = ""
    for line in (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\s+- alert: (\w+)", line):
            name = match[1]
        if match := re.match(r"\s+expr: (.+)", line):
            yield name, match[1]


def family(name):
    return re.sub(r"_(bucket|sum|count)$", "", name)


class DeployTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as data, Engine(BINARY, data, "--model", "none") as engine:
            engine.post_lines([{"text": "今天天气真好"}])
            _, _, cls.scrape = engine.request("GET", "/metrics")
        if isinstance(cls.scrape, bytes):
            cls.scrape = cls.scrape.decode()
        cls.exported = set(re.findall(r"^# TYPE (\S+)", cls.scrape, re.M))

    def test_every_metric_is_exported(self):
        self.assertGreater(len(list(expressions())), 40)
        for where, expression in expressions():
            for name in NAME.findall(expression):
                if name in FOREIGN or SOMETIMES.fullmatch(name):
                    continue
                known = {name, family(name)}
                with self.subTest(where=where, name=name):
                    self.assertTrue(known & self.exported, f"{name} is not exported")

    def test_every_label_value_is_exported(self):
        for where, expression in expressions():
            for name, label, value in re.findall(r'(tidewatch_[a-z0-9_]+)\{[^}]*?\b(stage|result|queue)="([^"]+)"', expression):
                with self.subTest(where=where, name=name):
                    self.assertRegex(self.scrape, rf'{name}\{{[^}}]*{label}="{value}"')

    def test_parentheses_and_braces_close(self):
        for where, expression in expressions():
            for left, right in ("()", "{}", "[]"):
                self.assertEqual(expression.count(left), expression.count(right), f"{where}: {expression}")

    def test_panels_do_not_overlap(self):
        dashboard = json.loads((DEPLOY / "grafana" / "tidewatch.json").read_text(encoding="utf-8"))
        taken = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken.add((x, y))
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))


if __name__ == "__main__":
    unittest.main()
