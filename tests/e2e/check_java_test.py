# SPDX-License-Identifier: Apache-2.0
"""Tests of scripts/check-java with made-up Javas. Run: python3 tests/e2e/check_java_test.py"""
import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check-java"


def check(says):
    """Runs the script with a Java that says this; None: without one."""
    with tempfile.TemporaryDirectory() as folder:
        for program in ("bash", "sed", "head", "cat"):
            os.symlink(f"/bin/{program}" if os.path.exists(f"/bin/{program}") else f"/usr/bin/{program}",
                       f"{folder}/{program}")
        if says is not None:
            java = pathlib.Path(folder, "java")
            java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\n")
            java.chmod(0o755)
        return subprocess.run([SCRIPT], env={"PATH": folder}, capture_output=True, text=True, check=False)


class CheckJava(unittest.TestCase):
    def test_takes_17_and_newer(self):
        for says in ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 'java version "21" 2023-09-19',
                     'Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "17-ea" 2021-09-14'):
            with self.subTest(says):
                result = check(says)
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_says_what_it_found_and_the_remedy(self):
        for says, found in (('java version "1.8.0_412"', "version 8"), ('openjdk version "11.0.2" 2019-01-15', "version 11"),
                            ("no runtime installed", "no Java (it said: no runtime installed)"), (None, "none on the PATH")):
            with self.subTest(says):
                result = check(says)
                self.assertEqual(result.returncode, 1)
                self.assertIn(found, result.stderr)
                self.assertIn("17 or newer", result.stderr)
                self.assertIn("default-jre-headless", result.stderr)


if __name__ == "__main__":
    unittest.main()
