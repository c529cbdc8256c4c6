#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goodput at P99 <= deadline of Triton and of Tidewatch: same model, same posts, same machine, one run.

    bench/triton/compare.py --tidewatch build/release/bin/tidewatch --work DIR [--step-seconds 8]

DIR (outside the repository) gets a virtual environment with Triton's server from the PyPI wheel nvidia-pytriton, the
model with explicit INT8, the model repositories, logs and results.json / results.md. Needs the network on the first
run only. Each server is driven by `tidewatch bench serve --target kserve://...`: one text a request, Poisson arrivals.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = ["nvidia-pytriton==0.7.0", "openvino==2026.4.1", "tokenizers==0.23.3", "onnx==1.23.2"]
# Queue delay of the dynamic batcher in microseconds, texts a batch, and texts run together.
SETTINGS = [{"delay_us": delay, "batch_max": batch, "group": group}
            for delay, batch, group in [(0, 32, 8), (1_000, 32, 8), (5_000, 64, 16)]]


def prepare(work):
    """The virtual environment and the model; returns its Python."""
    python = work / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "venv")], check=True)
    marker = work / "venv" / "packages.txt"
    if not marker.exists() or marker.read_text() != "\n".join(PACKAGES):
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        marker.write_text("\n".join(PACKAGES))
    onnx = work / "fast_int8.onnx"
    subprocess.run([python, ROOT / "models" / "train" / "qdq_onnx.py", ROOT / "models" / "fast", onnx], check=True)
    return python, onnx


def triton_home(python):
    code = "import pathlib, pytriton; print(pathlib.Path(pytriton.__file__).parent / 'tritonserver')"
    return pathlib.Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip())


def write_repository(folder, onnx, setting):
    manifest = json.loads((ROOT / "models" / "fast" / "manifest.json").read_text(encoding="utf-8"))
    labels = {task["name"]: task["labels"] for task in manifest["tasks"]}
    parameters = {"onnx": str(onnx), "vocabulary": str(ROOT / "models" / "fast" / "vocab.txt"),
                  "group": str(setting["group"]), **{name: ",".join(values) for name, values in labels.items()}}
    shutil.rmtree(folder, ignore_errors=True)
    version = folder / "fast" / "1"
    version.mkdir(parents=True)
    shutil.copy(HERE / "model.py", version / "model.py")
    outputs = "".join(
        f'output {{ name: "{task}" data_type: TYPE_STRING dims: [1] }}\n'
        f'output {{ name: "{task}_prob" data_type: TYPE_FP32 dims: [{len(values)}] }}\n'
        for task, values in labels.items())
    (folder / "fast" / "config.pbtxt").write_text(
        f'name: "fast"\nbackend: "python"\nmax_batch_size: {setting["batch_max"]}\n'
        f'input {{ name: "text" data_type: TYPE_STRING dims: [1] }}\n{outputs}'
        f'instance_group {{ kind: KIND_CPU count: 2 }}\n'
        f'dynamic_batching {{ max_queue_delay_microseconds: {setting["delay_us"]} }}\n'
        + "".join(f'parameters {{ key: "{key}" value {{ string_value: {json.dumps(value)} }} }}\n'
                  for key, value in parameters.items()),
        encoding="utf-8")


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_ready(process, url, seconds, log):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None or b"error while loading shared" in pathlib.Path(log).read_bytes():
            raise SystemExit(f"the server did not start ({process.returncode}); see {log}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        time.sleep(0.2)
    raise SystemExit(f"the server was not ready after {seconds} s; see {log}")


@contextlib.contextmanager
def stopped_at_end(process):
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def triton(work, python, onnx, setting):
    """Yields (gRPC port, pid)."""
    home = triton_home(python)
    backends = work / "backends"
    if not backends.exists():
        shutil.copytree(home / "backends", backends)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        shutil.copy(home / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
    repository = work / "repository"
    write_repository(repository, onnx, setting)
    http, grpc = free_ports(2)
    log = work / "triton.log"
    # The stub runs this Python, with the packages of the virtual environment.
    site = subprocess.run([python, "-c", "import site; print(site.getsitepackages()[0])"], check=True,
                          capture_output=True, text=True).stdout.strip()
    environment = {**os.environ, "PYTHONPATH": site, "PATH": f"{python.parent}:{os.environ['PATH']}",
                   "LD_LIBRARY_PATH": str(pathlib.Path(site) / "nvidia_pytriton.libs"),
                   "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with open(log, "wb") as sink:
        process = subprocess.Popen(
            [home / "bin" / "tritonserver", f"--model-repository={repository}", f"--backend-directory={backends}",
             f"--http-port={http}", f"--grpc-port={grpc}", "--http-address=127.0.0.1", "--grpc-address=127.0.0.1",
             "--allow-metrics=false", "--log-verbose=0"],
            stdout=sink, stderr=sink, env=environment)
    with stopped_at_end(process):
        wait_ready(process, f"http://127.0.0.1:{http}/v2/health/ready", 120, log)
        yield grpc, process.pid


@contextlib.contextmanager
def tidewatch(options, work):
    log = work / "tidewatch.log"
    with open(log, "wb") as sink:
        http, grpc = free_ports(2)
        process = subprocess.Popen(
            [options.tidewatch, "serve", "--model", "fast", "--precision", options.precision, "--port", str(http),
             "--grpc-port", str(grpc), "--config", str(work / "tidewatch.toml"), "--data-dir", str(work / "data")],
            stdout=sink, stderr=sink)
    with stopped_at_end(process):
        wait_ready(process, f"http://127.0.0.1:{http}/v2/health/ready", 60, log)
        yield grpc, process.pid


def drive(options, port, pid):
    """The highest rate that keeps the deadline, found by `bench serve --sweep`."""
    command = [options.tidewatch, "bench", "serve", "--target", f"kserve://127.0.0.1:{port}/fast", "--pid", str(pid),
               "--path", "classify", "--duplicates", "0", "--rate", str(options.rate), "--sweep", "--step-seconds",
               str(options.step_seconds), "--deadline-ms", str(options.deadline_ms), "--kserve-batch",
               str(options.kserve_batch), "--no-deadline", "--seed", str(options.seed), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return {"best_rate": found["sweep"]["best_rate"], "goodput_per_s": found["sweep"]["best_goodput_per_s"],
            "p99_ms": found["latency_ms"]["p99"], "tokens_mean": found["texts"]["tokens_mean"],
            "tries": found["sweep"]["tries"], "machine": found["machine"], "version": found["version"]}


def write_results(options, work, results):
    (work / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    lines = ["| server | setting | goodput at P99 <= %d ms |" % options.deadline_ms, "|---|---|---|"]
    for one in results["triton"]:
        setting = one["setting"]
        lines.append(f"| Triton, Python backend | queue delay {setting['delay_us']} us, batch {setting['batch_max']}, "
                     f"groups of {setting['group']} | {one['goodput_per_s']:.0f}/s |")
    lines.append(f"| Tidewatch | as it is | {results['tidewatch']['goodput_per_s']:.0f}/s |")
    best = max(one["goodput_per_s"] for one in results["triton"])
    results["ratio"] = results["tidewatch"]["goodput_per_s"] / best if best else None
    lines.append("")
    lines.append(f"Ratio to Triton's best: {results['ratio']:.1f}" if best else "Triton kept the deadline at no rate.")
    text = "\n".join(lines) + "\n"
    (work / "results.md").write_text(text, encoding="utf-8")
    (work / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidewatch", required=True, help="the program, such as build/release/bin/tidewatch")
    parser.add_argument("--work", required=True, type=pathlib.Path, help="folder for everything that is made")
    parser.add_argument("--precision", default="int8", help="of Tidewatch (Triton's model is INT8)")
    parser.add_argument("--rate", type=float, default=1_000, help="where the search begins")
    parser.add_argument("--step-seconds", type=float, default=8)
    parser.add_argument("--deadline-ms", type=int, default=50)
    parser.add_argument("--kserve-batch", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["triton", "tidewatch"], help="drive one of the two alone")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    (work / "tidewatch.toml").write_text("[inference]\ncache_bytes_max = 0\n", encoding="utf-8")
    python, onnx = prepare(work)
    results = {"triton": [], "tidewatch": {"goodput_per_s": 0}}
    if options.only != "tidewatch":
        for setting in SETTINGS:
            with triton(work, python, onnx, setting) as (port, pid):
                results["triton"].append({"setting": setting, **drive(options, port, pid)})
    if options.only != "triton":
        with tidewatch(options, work) as (port, pid):
            results["tidewatch"] = drive(options, port, pid)
    if options.only is None:
        write_results(options, work, results)
    else:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
