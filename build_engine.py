#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds one engine file of a model: `tidewatch build-engine` for those who live in Python.

    python build_engine.py --model new_model.onnx --like base --output v2.engine
    python build_engine.py --model base --backend tensorrt --precision fp16 --output base-fp16.engine

Every option is `tidewatch build-engine`'s own (--help lists them), but --tidewatch and these defaults: an ONNX file is
built --like base, and --backend is tensorrt where an NVIDIA driver is, else any. As a module:

    from build_engine import build_engine
    report = build_engine(model="base", output="base-fp16.engine", backend="tensorrt", precision="fp16")
"""
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


class BuildError(RuntimeError):
    """The engine was not written; the message says why and what to do."""


def find_tidewatch(given=None):
    """The program: as given, from TIDEWATCH, of this checkout's build, or on the PATH."""
    candidates = [given, os.environ.get("TIDEWATCH"), HERE / "build" / "release" / "bin" / "tidewatch",
                  shutil.which("tidewatch")]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    raise BuildError("tidewatch was not found: run `make build`, put it on the PATH, or name it with --tidewatch")


def has_nvidia_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
        return True
    except OSError:
        return False


def arguments_of(options):
    """{"timing_cache": "x", "allow_drop": True, "evaluate": [..]} as command-line arguments."""
    arguments = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif isinstance(value, (list, tuple)):
            for each in value:
                arguments += [flag, str(each)]
        elif value not in (None, False):
            arguments += [flag, str(value)]
    return arguments


def build_engine(model, output, tidewatch=None, **options):
    """Builds `output` and returns the report (accuracy against FP32, kind, precision, sha256) as a dict.

    Raises BuildError, with the program's own words, when nothing was written.
    """
    if str(model).endswith(".onnx"):
        options.setdefault("like", "base")
    options.setdefault("backend", "tensorrt" if has_nvidia_driver() else "any")
    command = [find_tidewatch(tidewatch), "build-engine", "--json", "--model", str(model), "--output", str(output),
               *arguments_of(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=None if sys.stderr.isatty() else subprocess.PIPE,
                          text=True, check=False)
    if done.returncode != 0:
        raise BuildError((done.stderr or "").strip() or f"tidewatch ended with status {done.returncode}")
    return json.loads(done.stdout)


def main(arguments):
    tidewatch = None
    if "--tidewatch" in arguments[:-1]:
        at = arguments.index("--tidewatch")
        tidewatch = arguments[at + 1]
        arguments = arguments[:at] + arguments[at + 2:]
    if not arguments or "--help" in arguments or "-h" in arguments:
        print(__doc__)
        return subprocess.run([find_tidewatch(tidewatch), "build-engine", "--help"], check=False).returncode
    given = {a.split("=", 1)[0] for a in arguments}
    if "--backend" not in given and has_nvidia_driver():
        arguments += ["--backend", "tensorrt"]
    if "--like" not in given and any(a.endswith(".onnx") for a in arguments):
        arguments += ["--like", "base"]
    return subprocess.run([find_tidewatch(tidewatch), "build-engine", *arguments], check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        sys.exit(f"build_engine: {error}")
