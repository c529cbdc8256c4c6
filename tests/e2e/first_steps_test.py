# SPDX-License-Identifier: Apache-2.0
"""init, doctor, completion and the manual page of the real program."""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()


def run(*arguments, **options):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, **options)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class FirstStepsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.config = os.path.join(self.folder.name, "t.toml")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, text):
        with open(self.config, "w") as out:
            out.write(text)

    def doctor(self, text, *arguments):
        """Its exit status, and its checks by name."""
        self.write(f"[server]\nport = {free_port()}\n[grpc]\nport = {free_port()}\n" + text)
        return self.ask(*arguments)

    def ask(self, *arguments, **options):
        data = os.path.join(self.folder.name, "data")
        done = run("doctor", "--config", self.config, "--data-dir", data, "--json", *arguments, **options)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["can_run"], done.returncode == 0)
        return done.returncode, {check["what"]: check for check in answer["checks"]}

    def test_init_writes_a_file_that_serves_and_spares_one_that_is_there(self):
        done = run("init", "--output", self.config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("doctor", done.stdout)
        again = run("init", "--output", self.config)
        self.assertEqual(again.returncode, 1)
        self.assertIn("--force", again.stderr)
        self.assertEqual(run("init", "--output", self.config, "--force").returncode, 0)
        with open(self.config) as file:
            self.assertEqual(file.read(), run("init", "--output", "-").stdout)
        data = os.path.join(self.folder.name, "data")
        with Engine(BINARY, data, "--model", "none", "--config", self.config) as engine:
            self.assertEqual(engine.stop(), 0)

    def test_doctor_finds_a_sound_machine_sound(self):
        status, checks = self.doctor("")
        self.assertEqual(status, 0, checks)
        for what in ("cpu", "memory", "clock", "config", "disk space", "fsync", "port", "gRPC port", "model fast", "GPU"):
            self.assertIn(what, checks)
        self.assertEqual(checks["backend"]["level"], "ok")
        self.assertIn("fast runs on", checks["backend"]["found"])
        self.assertIn(checks["GPU"]["level"], ("ok", "note"))
        for check in checks.values():
            self.assertTrue(check["level"] == "ok" or check["remedy"], check)
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "data")))
        words = run("doctor", "--config", self.config)
        self.assertIn("Tidewatch can run here.", words.stdout)

    def test_doctor_says_what_is_wrong_and_what_to_do(self):
        status, checks = self.doctor('[model]\nname = "nonsense"\n')
        self.assertEqual((status, checks["backend"]["level"]), (1, "problem"))
        self.assertIn("fast", checks["backend"]["found"])
        self.write("[server]\nprot = 1\n")
        status, checks = self.ask()
        self.assertEqual((status, checks["config"]["level"]), (1, "problem"))
        self.assertIn("line 2", checks["config"]["found"])
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.write(f"[server]\nport = {taken.getsockname()[1]}\n[grpc]\nenabled = false\n")
            # A listener that is no Tidewatch and answers nothing would hold the question open.
            taken.settimeout(30)
            import threading

            def refuse():
                connection, _ = taken.accept()
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                connection.close()

            threading.Thread(target=refuse, daemon=True).start()
            status, checks = self.ask()
        self.assertEqual((status, checks["port"]["level"]), (1, "problem"))
        self.assertIn("--port", checks["port"]["remedy"])

    def test_doctor_counts_the_files_that_may_be_open(self):
        self.write(f"[server]\nport = {free_port()}\n[grpc]\nport = {free_port()}\n")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        few = resource.RLIMIT_NOFILE, (256, 512)
        _, checks = self.ask(preexec_fn=lambda: resource.setrlimit(*few))
        check = checks["open files"]
        self.assertEqual(check["level"], "warning")
        self.assertEqual(check["found"], "512 allowed (256 until the engine raises it)")
        self.assertIn("LimitNOFILE=", check["remedy"])
        if hard != resource.RLIM_INFINITY and hard < 4096:
            self.skipTest(f"only {hard} open files are allowed here")
        low = resource.RLIMIT_NOFILE, (256, hard)
        _, checks = self.ask(preexec_fn=lambda: resource.setrlimit(*low))
        self.assertEqual(checks["open files"]["level"], "ok", checks["open files"])

    def test_doctor_knows_a_running_engine_and_a_damaged_model(self):
        data = os.path.join(self.folder.name, "data")
        with Engine(BINARY, data, "--model", "none", "--no-grpc") as engine:
            self.write(f"[server]\nport = {engine.port}\n[grpc]\nenabled = false\n")
            status, checks = self.ask()
            self.assertEqual((status, checks["port"]["level"]), (0, "note"))
            self.assertEqual(checks["data folder"]["level"], "note")
        models = os.path.join(self.folder.name, "models")
        bundled = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(BINARY))), "share", "tidewatch", "models")
        subprocess.run(["cp", "-r", bundled, models], check=True)
        with open(os.path.join(models, "fast", "model.onnx"), "r+b") as file:
            file.seek(1000)
            file.write(b"damaged")
        status, checks = self.doctor("", "--models-dir", models)
        self.assertEqual((status, checks["model fast"]["level"]), (1, "problem"))

    def test_completion_knows_every_command_and_option(self):
        helped = run("--help").stdout
        commands = re.findall(r"^  ([a-z-]+) {2,}\S", helped.split("Subcommands:")[1], re.MULTILINE)
        self.assertGreater(len(commands), 10)
        bash = os.path.join(self.folder.name, "c.bash")
        with open(bash, "w") as out:
            out.write(run("completion", "bash").stdout)

        def complete(*words):
            script = f"source {bash}; COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
            script += '_tidewatch; printf "%s\\n" "${COMPREPLY[@]}"'
            return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()

        self.assertTrue(set(commands) <= set(complete("tidewatch", "")))
        self.assertEqual(complete("tidewatch", "ser"), ["serve"])
        self.assertIn("--data-dir", complete("tidewatch", "serve", "--"))
        self.assertEqual(complete("tidewatch", "report", "--lang", ""), ["zh", "en"])
        self.assertIn("serve", complete("tidewatch", "bench", ""))
        self.assertIn("--rate", complete("tidewatch", "bench", "serve", "--"))
        fish = run("completion", "fish").stdout
        zsh = run("completion", "zsh").stdout
        page = run("completion", "man").stdout
        self.assertTrue(zsh.startswith("#compdef tidewatch"))
        for command in commands:
            self.assertIn(f"-a {command} ", fish)
            self.assertIn(command.replace("-", "\\-"), page)
        self.assertEqual(run("completion", "tcsh").returncode, 2)

    def test_the_files_that_are_installed_are_these(self):
        share = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(BINARY))), "share")
        for shell, path in (
            ("man", "man/man1/tidewatch.1"),
            ("bash", "bash-completion/completions/tidewatch"),
            ("zsh", "zsh/site-functions/_tidewatch"),
            ("fish", "fish/vendor_completions.d/tidewatch.fish"),
        ):
            with open(os.path.join(share, path)) as file:
                self.assertEqual(file.read(), run("completion", shell).stdout, path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
