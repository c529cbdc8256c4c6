#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The GPU benchmark: every figure of docs/benchmarks.md, "On a GPU", step by step and resumable.

    bench/gpu/measure.py --tidewatch build/release/bin/tidewatch --work DIR [--only NAME,..] [--budget-seconds N] [--list]

Each step leaves DIR/results/NAME.json; a step whose file is there is not run again, so that a run that was cut off goes
on where it was. Engines, timing caches and models stay in DIR. Steps come in the order of their worth. `--budget-seconds`
begins no step once so much time has passed. The table of what is there is printed at the end and written to DIR/table.md.
Needs a GPU, TensorRT (TIDEWATCH_TENSORRT_DIR or where the linker looks) and, for models and baselines, PyTorch and onnx.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Busy:
    """Samples nvidia-smi while a command runs."""

    def __enter__(self):
        self.samples, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()
        return self

    def sample(self):
        query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
        while not self.ended.wait(0.25):
            try:
                busy, used = subprocess.check_output(query, text=True).splitlines()[0].split(",")
                self.samples.append((int(busy), int(used)))
            except (OSError, ValueError, subprocess.CalledProcessError):
                return

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def figures(self):
        busy = sorted(s[0] for s in self.samples)
        return {"busy_percent_p90": busy[len(busy) * 9 // 10], "memory_used_mb": max(s[1] for s in self.samples)} if busy else {}


def steps_of(options):
    """[(name, command)], most telling first. The command's last line of output is one JSON object."""
    tidewatch, work = str(options.tidewatch), options.work
    models, engines = work / "models", work / "engines"
    steps = [("models", [sys.executable, str(HERE / "make_shapes.py"), str(models)])]

    def build(model, precision, tokens=6144):
        folder = engines / f"{model}-{precision}-{tokens}"
        steps.append((f"build-{model}-{precision}-{tokens}",
                      [tidewatch, "build-engine", "--backend", "tensorrt", "--models-dir", str(models), "--model", model,
                       "--precision", precision, "--tokens", str(tokens), "--allow-drop", "--json", "--timing-cache",
                       str(work / f"{model}-{precision}.cache"), "--layers", str(folder) + ".layers.json",
                       "--output", str(folder / f"{model}-{precision}.engine")]))
        return folder

    def infer(name, model, folder, *more):
        steps.append((name, [tidewatch, "bench", "infer", "--backend", "tensorrt", "--models-dir", str(models), "--model", model,
                             "--engines-dir", str(folder), "--seconds", "3", "--json", *more]))

    def serve(name, model, folder, deadline, rate):
        steps.append((name, [tidewatch, "bench", "serve", "--backend", "tensorrt", "--models-dir", str(models), "--model", model,
                             "--engines-dir", str(folder), "--via", "inprocess", "--path", "classify", "--duplicates", "0",
                             "--no-cache", "--deadline-ms", str(deadline), "--rate", str(rate), "--sweep", "--step-seconds", "4",
                             "--json"]))

    bert = build("bert-base", "fp16")
    infer("bert-base-fp16-96", "bert-base", bert, "--tokens", "96")
    infer("bert-base-plain-96", "bert-base", bert, "--tokens", "96", "--plain", str(work / "bert-base.plan"))
    infer("bert-base-fp16-one", "bert-base", bert, "--tokens", "96", "--batch", "1", "--lanes", "1")
    infer("bert-base-plain-one", "bert-base", bert, "--tokens", "96", "--batch", "1", "--lanes", "1", "--plain",
          str(work / "bert-base.plan"))
    infer("bert-base-fp16-mix", "bert-base", bert)
    infer("bert-base-fp16-mix-padded", "bert-base", bert, "--padded", "--batch", "64")
    infer("bert-base-plain-mix", "bert-base", bert, "--batch", "64", "--plain", str(work / "bert-base.plan"))
    infer("bert-base-two", "bert-base", bert, "--tokens", "96", "--batch", "64", "--with", "bert-base")
    serve("bert-base-fp16-50ms", "bert-base", bert, 50, 16_000)
    serve("bert-base-fp16-10ms", "bert-base", bert, 10, 12_000)
    eight = build("bert-base", "int8", 12288)
    infer("bert-base-int8-96", "bert-base", eight, "--tokens", "96")
    infer("bert-base-int8-mix", "bert-base", eight)
    infer("bert-base-int8-two", "bert-base", eight, "--tokens", "96", "--batch", "64", "--with", "bert-base")
    serve("bert-base-int8-50ms", "bert-base", eight, 50, 20_000)
    steps.append(("bert-base-torch", [sys.executable, str(HERE / "torch_baseline.py"), "bert-base"]))
    base = build("base", "fp16")
    infer("base-fp16-96", "base", base, "--tokens", "96")
    infer("base-fp16-mix", "base", base)
    serve("base-fp16-50ms", "base", base, 50, 30_000)
    base8 = build("base", "int8")
    infer("base-int8-96", "base", base8, "--tokens", "96")
    swaps = engines / "swaps"
    steps.append(("swaps", [tidewatch, "bench", "serve", "--backend", "tensorrt", "--models-dir", str(models), "--model", "base",
                            "--engines-dir", str(swaps), "--via", "inprocess", "--path", "classify", "--rate", "8000", "--seconds",
                            "420", "--swaps", "100", "--swap-engines", "base-fp16.engine", "base-int8.engine", "--json"]))
    tiny = build("tinybert", "fp16")
    infer("tinybert-fp16-96", "tinybert", tiny, "--tokens", "96")
    infer("tinybert-plain-96", "tinybert", tiny, "--tokens", "96", "--plain", str(work / "tinybert.plan"))
    steps.append(("tinybert-torch", [sys.executable, str(HERE / "torch_baseline.py"), "tinybert"]))
    return steps


def run_step(name, command, work):
    (work / "logs").mkdir(exist_ok=True)
    began = time.time()
    with Busy() as busy, open(work / "logs" / f"{name}.log", "w", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
    if done.returncode != 0:
        print(f"{name}: failed with {done.returncode}; {work}/logs/{name}.log says why", flush=True)
        return
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    result = json.loads(lines[-1]) if lines else {}
    result = {"step": name, "seconds_taken": time.time() - began, "gpu": busy.figures(), **result}
    (work / "results" / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{name}: {time.time() - began:.0f} s", flush=True)


def row(name, speed, batch="", run="", result=None):
    result = result or {}
    real = f"{result['fill_ratio']:.0%}" if "fill_ratio" in result else ""
    memory = f"{result['gpu_bytes'] / 1e6:,.0f}" if "gpu_bytes" in result else ""
    busy = result.get("gpu", {}).get("busy_percent_p90", "")
    run = f"{run:.2f}" if run != "" else ""
    return f"| {name} | {speed} | {batch} | {run} | {real} | {memory} | {busy} |"


def table(work):
    rows = ["| step | texts/s | batch | a run or P99, ms | tokens real | GPU MB | GPU busy, % |", "|---|---|---|---|---|---|---|"]
    for file in sorted((work / "results").glob("*.json"), key=lambda f: f.stat().st_mtime):
        r = json.loads(file.read_text(encoding="utf-8"))
        if "swap" in r:
            rows.append(row(f"{file.stem}: {json.dumps(r['swap'])}", f"{r['goodput_per_s']:,.0f}", run=r["latency_ms"]["p99"], result=r))
        elif "sweep" in r:
            best = r["sweep"].get("best_goodput_per_s") or 0
            rows.append(row(file.stem, f"{best:,.0f}" if best else "no rate kept it", result=r))
        elif "eager" in r:
            for kind in ("eager", "compile"):
                rows += [row(f"{file.stem}, {kind}", f"{one['texts_per_second']:,.0f}", one["batch"], one["run_ms"]) for one in r[kind]]
        elif "texts_per_second" in r:
            rows.append(row(file.stem, f"{r['texts_per_second']:,.0f}", r["batch"], r["run_ms"], r))
            if "with" in r:
                rows.append(row(file.stem + ", the second", f"{r['with']['texts_per_second']:,.0f}", r["with"]["batch"], r["with"]["run_ms"]))
    return "\n".join(rows) + "\n"


def is_done(name, command, work):
    """The result is there, and so is the file that the step was to leave, if it was to leave one."""
    if not (work / "results" / f"{name}.json").exists():
        return False
    if name == "models":
        return (work / "models" / "tinybert" / "manifest.json").exists()
    return "--output" not in command or Path(command[command.index("--output") + 1]).exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidewatch", type=Path, default=ROOT / "build" / "release" / "bin" / "tidewatch")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of steps, or beginnings of them")
    parser.add_argument("--budget-seconds", type=float, default=1e9)
    parser.add_argument("--list", action="store_true", help="print the steps and what is done")
    options = parser.parse_args()
    options.work = options.work.resolve()
    for folder in ("results", "models", "engines/swaps"):
        (options.work / folder).mkdir(parents=True, exist_ok=True)
    base = options.work / "models" / "base"
    if not base.exists():
        shutil.copytree(ROOT / "models" / "base", base)
    began, only = time.time(), [n for n in options.only.split(",") if n]
    for name, command in steps_of(options):
        done = is_done(name, command, options.work)
        if options.list:
            print(f"{'done' if done else '    '} {name}: {' '.join(map(os.fspath, command))}")
        elif not done and (not only or any(name.startswith(n) for n in only)) and time.time() - began < options.budget_seconds:
            if name == "swaps":
                for engine in (options.work / "engines").glob("base-*-6144/*.engine"):
                    shutil.copy(engine, options.work / "engines" / "swaps")
            run_step(name, command, options.work)
    if not options.list:
        (options.work / "table.md").write_text(table(options.work), encoding="utf-8")
        print(table(options.work))


if __name__ == "__main__":
    main()
