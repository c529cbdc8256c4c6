#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The GPU benchmark: every figure of docs/benchmarks.md, "On a GPU", step by step and resumable.

    bench/gpu/measure.py --tidewatch build/release/bin/tidewatch --work DIR [--gpus 0,1] [--only NAME,..]
                         [--budget-seconds N] [--list]

Each step leaves DIR/results/NAME.json; a step whose file is there is not run again, so that a run that was cut off goes
on where it was. Engines, timing caches and models stay in DIR. First all engines are built, several at a time; then the
figures are measured, one step at a time on each GPU (a second GPU's work can hold up the driver for
milliseconds: for figures at 10 ms give one). Steps that are compared stand in one group, which one GPU runs from
first to last. `--budget-seconds` begins no step once so much time has passed. The table of what is there is printed at
the end and written to DIR/table.md.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BATCHES = "1,8,32,64,128,256"
STEP_SECONDS_MAX = 900


class Busy:
    """Reads nvidia-smi while a command runs: one process of it, since starting it holds up the driver for milliseconds."""

    def __init__(self, gpu):
        self.gpu = gpu

    def __enter__(self):
        self.samples = []
        self.process = subprocess.Popen(
            ["nvidia-smi", "-i", self.gpu, "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-lms", "250"],
            stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        return self

    def read(self):
        for line in self.process.stdout:
            busy, _, used = line.partition(",")
            if busy.strip().isdigit():
                self.samples.append((int(busy), int(used)))

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.thread.join()

    def figures(self):
        busy = sorted(s[0] for s in self.samples)
        return {"busy_percent_p90": busy[len(busy) * 9 // 10], "memory_used_mb": max(s[1] for s in self.samples)} if busy else {}


@dataclass
class Step:
    name: str
    group: str
    command: list  # its last line of output is one JSON object
    output: Path = None  # what it is to leave besides
    needs: list = field(default_factory=list)  # files


class Plan:
    """The steps, the most telling first."""

    def __init__(self, options):
        self.tidewatch, self.work = str(options.tidewatch), options.work
        self.models, self.engines = self.work / "models", self.work / "engines"
        self.builds, self.steps = [], []
        self.lay_out()

    def build(self, model, precision, tokens=6144):
        name = f"{model}-{precision}-{tokens}"
        engine = self.engines / name / f"{model}-{precision}.engine"
        self.builds.append(Step(
            f"build-{name}", "builds",
            [self.tidewatch, "build-engine", "--backend", "tensorrt", "--models-dir", str(self.models), "--model", model,
             "--precision", precision, "--tokens", str(tokens), "--allow-drop", "--json", "--timing-cache",
             str(self.work / f"{name}.cache"), "--layers", str(self.engines / f"{name}.layers.json"), "--output", str(engine)],
            engine, [self.models / model / "manifest.json"]))
        return engine

    def plain(self, model):
        """Plain TensorRT's plan: made by the first run with it."""
        plan = self.work / f"{model}.plan"
        self.builds.append(Step(
            f"build-{model}-plain", "builds",
            [self.tidewatch, "bench", "infer", "--backend", "tensorrt", "--models-dir", str(self.models), "--model", model,
             "--tokens", "96", "--batch", "1", "--seconds", "0.2", "--json", "--plain", str(plan)],
            plan, [self.models / model / "manifest.json"]))
        return plan

    def infer(self, name, model, engine, *more):
        plain = engine.suffix == ".plan"
        where = ["--plain", str(engine)] if plain else ["--engines-dir", str(engine.parent)]
        self.steps.append(Step(name, model, [
            self.tidewatch, "bench", "infer", "--backend", "tensorrt", "--models-dir", str(self.models), "--model", model,
            "--seconds", "3", "--json", *where, *more], needs=[engine]))

    def serve(self, name, model, engine, deadline, rate, *more):
        self.steps.append(Step(name, model, [
            self.tidewatch, "bench", "serve", "--backend", "tensorrt", "--models-dir", str(self.models), "--model", model,
            "--engines-dir", str(engine.parent), "--via", "inprocess", "--path", "classify", "--duplicates", "0", "--no-cache",
            "--deadline-ms", str(deadline), "--rate", str(rate), "--sweep", "--step-seconds", "4", "--json", *more], needs=[engine]))

    def torch(self, shape, group):
        self.steps.append(Step(f"{shape}-torch", group, [sys.executable, str(HERE / "torch_baseline.py"), shape]))

    def lay_out(self):
        bert = self.build("bert-base", "fp16")
        bert_plain = self.plain("bert-base")
        bert8_short = self.build("bert-base", "int8")
        bert8 = self.build("bert-base", "int8", 12288)
        bert8_long = self.build("bert-base", "int8", 24576)
        tiny = self.build("tinybert", "fp16")
        tiny_plain = self.plain("tinybert")
        base = self.build("base", "fp16")
        base8 = self.build("base", "int8")

        at_96 = ["--tokens", "96", "--batch", BATCHES]
        one = ["--tokens", "96", "--batch", "1", "--lanes", "1"]
        self.infer("bert-base-fp16-96", "bert-base", bert, *at_96)
        self.infer("bert-base-plain-96", "bert-base", bert_plain, *at_96)
        self.infer("bert-base-fp16-one", "bert-base", bert, *one)
        self.infer("bert-base-plain-one", "bert-base", bert_plain, *one)
        self.infer("bert-base-fp16-mix", "bert-base", bert, "--batch", BATCHES)
        self.infer("bert-base-fp16-mix-padded", "bert-base", bert, "--padded", "--batch", "64")
        self.infer("bert-base-plain-mix", "bert-base", bert_plain, "--batch", "64")
        two = ["--tokens", "96", "--batch", "64", "--with", "bert-base", "--lanes"]
        self.infer("bert-base-two", "bert-base", bert, *two, "1")
        self.infer("bert-base-two-lanes-2", "bert-base", bert, *two, "2")
        self.infer("bert-base-int8-two", "bert-base", bert8_short, *two, "1")
        self.infer("bert-base-int8-96", "bert-base", bert8, *at_96)
        self.infer("bert-base-int8-long-96", "bert-base", bert8_long, *at_96)
        self.serve("bert-base-fp16-96-50ms", "bert-base", bert, 50, 20_000, "--tokens", "96")
        self.serve("bert-base-fp16-96-10ms", "bert-base", bert, 10, 18_000, "--tokens", "96")
        self.serve("bert-base-fp16-50ms", "bert-base", bert, 50, 16_000)
        self.serve("bert-base-fp16-10ms", "bert-base", bert, 10, 12_000)
        self.infer("bert-base-int8-mix", "bert-base", bert8, "--batch", "64,128,256")
        self.serve("bert-base-int8-50ms", "bert-base", bert8, 50, 20_000)
        for tokens in (32, 192, 512):
            self.infer(f"bert-base-fp16-{tokens}", "bert-base", bert, "--tokens", str(tokens), "--batch", BATCHES)

        self.infer("tinybert-fp16-96", "tinybert", tiny, *at_96)
        self.infer("tinybert-plain-96", "tinybert", tiny_plain, *at_96)
        self.serve("tinybert-fp16-50ms", "tinybert", tiny, 50, 60_000)
        self.infer("base-fp16-96", "base", base, *at_96)
        self.infer("base-int8-96", "base", base8, *at_96)
        self.infer("base-fp16-mix", "base", base, "--batch", "64,128,256")
        self.serve("base-fp16-50ms", "base", base, 50, 30_000)
        swaps = self.engines / "swaps"
        self.steps.append(Step("swaps", "base", [
            self.tidewatch, "bench", "serve", "--backend", "tensorrt", "--models-dir", str(self.models), "--model", "base",
            "--engines-dir", str(swaps), "--via", "inprocess", "--path", "classify", "--rate", "8000", "--seconds", "300",
            "--swaps", "100", "--swap-engines", base.name, base8.name, "--json"], needs=[base, base8]))
        self.torch("tinybert", "torch")
        self.torch("bert-base", "torch")


class Runner:
    def __init__(self, plan, options, gpus):
        self.plan, self.options, self.gpus = plan, options, gpus
        self.began = time.time()
        self.only = [n for n in options.only.split(",") if n]

    def wanted(self, step):
        return not self.only or any(step.name.startswith(n) for n in self.only)

    def is_done(self, step):
        there = (self.plan.work / "results" / f"{step.name}.json").exists()
        return there and (step.output is None or step.output.exists())

    def run(self, step, gpu):
        if self.is_done(step) or not self.wanted(step) or time.time() - self.began > self.options.budget_seconds:
            return
        missing = [str(file) for file in step.needs if not file.exists()]
        if missing:
            print(f"{step.name}: left out, for {', '.join(missing)} is not there", flush=True)
            return
        if step.output is not None:
            step.output.parent.mkdir(parents=True, exist_ok=True)
        began = time.time()
        env = os.environ | {"CUDA_VISIBLE_DEVICES": gpu, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        log_file = self.plan.work / "logs" / f"{step.name}.log"
        with Busy(gpu) as busy, open(log_file, "w", encoding="utf-8") as log:
            try:
                done = subprocess.run(step.command, stdout=subprocess.PIPE, stderr=log, text=True, check=False, env=env,
                                      timeout=STEP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                print(f"{step.name}: not ended in {STEP_SECONDS_MAX} s", flush=True)
                return
        if done.returncode != 0:
            print(f"{step.name}: failed with {done.returncode}; {log_file} says why", flush=True)
            return
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        result = json.loads(lines[-1]) if lines else {}
        result = {"step": step.name, "on_gpu": gpu, "seconds_taken": time.time() - began, "gpu": busy.figures(), **result}
        (self.plan.work / "results" / f"{step.name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"{step.name}: {time.time() - began:.0f} s", flush=True)

    def build_all(self):
        with ThreadPoolExecutor(max_workers=self.options.builds) as pool:
            for i, step in enumerate(self.plan.builds):
                pool.submit(self.run, step, self.gpus[i % len(self.gpus)])

    def run_group(self, group, free):
        gpu = free.pop()
        for step in self.plan.steps:
            if step.group != group:
                continue
            if step.name == "swaps":
                for engine in step.needs:
                    if engine.exists():
                        shutil.copy(engine, self.plan.engines / "swaps")
            self.run(step, gpu)
        free.append(gpu)

    def measure_all(self):
        free = list(reversed(self.gpus))
        with ThreadPoolExecutor(max_workers=len(self.gpus)) as pool:
            for group in dict.fromkeys(step.group for step in self.plan.steps):
                pool.submit(self.run_group, group, free)


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


def visible_gpus():
    try:
        return subprocess.check_output(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], text=True).split()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"no GPU to measure: nvidia-smi: {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidewatch", type=Path, default=ROOT / "build" / "release" / "bin" / "tidewatch")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gpus", default="", help="their numbers in nvidia-smi (default: all)")
    parser.add_argument("--builds", type=int, default=8, help="engines built at a time")
    parser.add_argument("--only", default="", help="names of steps, or beginnings of them")
    parser.add_argument("--budget-seconds", type=float, default=1e9)
    parser.add_argument("--list", action="store_true", help="print the steps and what is done")
    options = parser.parse_args()
    options.work = options.work.resolve()
    for folder in ("results", "models", "logs", "engines/swaps"):
        (options.work / folder).mkdir(parents=True, exist_ok=True)
    base = options.work / "models" / "base"
    if not base.exists():
        shutil.copytree(ROOT / "models" / "base", base)
    plan = Plan(options)
    models = Step("models", "models", [sys.executable, str(HERE / "make_shapes.py"), str(plan.models)],
                  plan.models / "tinybert" / "manifest.json")
    if options.list:
        runner = Runner(plan, options, [])
        for step in [models, *plan.builds, *plan.steps]:
            print(f"{'done' if runner.is_done(step) else '    '} {step.name}: {' '.join(step.command)}")
        return
    runner = Runner(plan, options, options.gpus.split(",") if options.gpus else visible_gpus())
    runner.run(models, runner.gpus[0])
    runner.build_all()
    runner.measure_all()
    text = table(options.work)
    (options.work / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
