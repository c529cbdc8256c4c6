#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends malformed bodies and broken requests to a server and checks that it stands.

  run_malformed.py --port N [--pid PID]      a server that runs already
  run_malformed.py --binary PATH             starts PATH serve itself and stops it afterwards
  more: --count N (10,000 bodies) --seed N --only N (one case again) --connections N --rss-growth-max-mb N

Checked: each body gets 4xx, or line errors that account for its lines; never 5xx; the server answers good posts afterwards;
its memory (--pid, or with --binary) is flat: after a warm-up of a fifth of the bodies, resident memory
grows by less than 64 MB. Not checked for memory under a sanitizer, which keeps what is freed.
Python standard library only. Exit status 1 when anything failed; each failure names its case for --only.
"""
import argparse
import collections
import http.client
import json
import pathlib
import socket
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import bodies  # noqa: E402
import sockets  # noqa: E402

TIMEOUT_SECONDS = 60
FAILURES_SHOWN = 20
RETRIES_MAX = 200  # of one body on 429; each waits at most a fifth of a second


def check_counts(case, status, answer):
    """Returns what is wrong with an answer that has counts, or None."""
    counts = {key: answer.get(key) for key in ("accepted", "rejected", "duplicates")}
    if not all(isinstance(value, int) and value >= 0 for value in counts.values()):
        return f"counts are {counts}"
    taken = counts["accepted"] + counts["duplicates"]
    errors = answer.get("errors")
    if not isinstance(errors, list):
        return "no list of errors"
    if len(errors) + answer.get("errors_omitted", 0) != counts["rejected"]:
        return f"{len(errors)} errors for {counts['rejected']} rejected"
    for error in errors:
        if not isinstance(error.get("line"), int) or not error.get("reason"):
            return f"an error without line or reason: {error}"
    if status == 200 and taken == 0 and counts["rejected"] > 0:
        return "200 though every line was rejected"
    if status == 400 and taken > 0 and "unprocessed_from_line" not in answer:
        return "400 though lines were taken"
    if case.expect in (bodies.REJECT, bodies.MIXED, bodies.EMPTY):
        if (taken, counts["rejected"]) != (case.good, case.bad):
            return f"taken {taken} and rejected {counts['rejected']}, not {case.good} and {case.bad}"
        named = [error["line"] for error in errors]
        if named != case.bad_lines[: len(named)]:
            return f"errors name lines {named}, not {case.bad_lines}"
    elif case.expect == bodies.LENIENT and case.lines is not None:
        if taken + counts["rejected"] != case.lines:
            return f"{taken} + {counts['rejected']} of {case.lines} lines accounted for"
    return None


def check(case, status, content_type, data):
    """Returns what is wrong with the answer to a body, or None."""
    if status >= 500:
        return f"status {status}: {data[:200]!r}"
    if status != 200 and not 400 <= status < 500:
        return f"status {status}"
    if "json" not in content_type:
        return f"status {status} with {content_type!r} instead of JSON"
    try:
        answer = json.loads(data)
    except ValueError as error:
        return f"the answer is not JSON: {error}"
    if not isinstance(answer, dict):
        return "the answer is no JSON object"
    if status == 200 or "accepted" in answer:
        problem = check_counts(case, status, answer)
        if problem:
            return f"status {status}: {problem}"
    if case.expect == bodies.EMPTY and status != 200:
        return f"status {status} for a body without lines"
    if case.expect == bodies.MIXED and case.good > 0 and status != 200:
        return f"status {status} though {case.good} lines are good"
    if case.expect in (bodies.REJECT, bodies.REFUSE) and status == 200 and not answer.get("errors"):
        return "200 without an error"
    return None


class Sender:
    """One connection's worth of sending: mostly kept alive, now and then fresh, now and then in chunks."""

    def __init__(self, port):
        self.port = port
        self.connection = None
        self.reconnects = 0

    def send(self, case):
        if case.number % 7 == 0:
            self.close()
        for attempt in range(RETRIES_MAX):
            status, content_type, data, retry_after = self.send_once(case)
            if status != 429:
                return status, content_type, data
            time.sleep(min(float(retry_after or 0.2), 0.2))
        return status, content_type, data

    def send_once(self, case):
        for last in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
                self.reconnects += 1
            fresh = self.connection.sock is None
            try:
                return self.exchange(case)
            except (ConnectionError, http.client.HTTPException, TimeoutError):
                self.close()
                # A kept connection may have been closed since the last answer; a fresh one not.
                if fresh or last:
                    raise

    def exchange(self, case):
        body, chunked = case.body, case.number % 3 == 0
        if chunked:
            step = max(1, min(len(body), [1, 13, 4096, 65536][case.number // 3 % 4]), len(body) // 2000)
            pieces = (body[i: i + step] for i in range(0, len(body), step))
            headers = {**case.headers, "Transfer-Encoding": "chunked"}
        else:
            pieces, headers = body, {**case.headers, "Content-Length": str(len(body))}
        try:
            self.connection.request("POST", "/v1/posts", pieces, headers, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            # Refused early, as a server may do; the answer may be there already.
            if self.connection.sock is None:
                raise
            self.connection._HTTPConnection__state = http.client._CS_REQ_SENT
        response = self.connection.getresponse()
        data = response.read()
        if response.will_close:
            self.close()
        return (response.status, response.getheader("Content-Type") or "", data,
                response.getheader("Retry-After"))

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def memory_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def under_sanitizer(pid):
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return any(name in maps for name in ("libasan", "libtsan", "libclang_rt"))


class Run:
    def __init__(self, port, pid, options):
        self.port, self.pid, self.options = port, pid, options
        self.lock = threading.Lock()
        self.next_number = 0
        self.done = 0
        self.failures = []
        self.statuses = collections.defaultdict(collections.Counter)  # by kind
        self.reconnects = 0
        self.bytes = 0
        self.timeout = TIMEOUT_SECONDS  # of a probe
        self.memory_warm = self.memory_peak = self.memory_last = None

    def fail(self, what):
        with self.lock:
            self.failures.append(what)
            if len(self.failures) <= FAILURES_SHOWN:
                print(f"FAIL {what}", flush=True)

    def take_number(self):
        with self.lock:
            number = self.next_number
            self.next_number += 1
            return number if number < self.options.count else None

    def send_bodies(self):
        sender = Sender(self.port)
        while (number := self.take_number()) is not None and len(self.failures) < 500:
            self.send_body(sender, number)
        sender.close()
        with self.lock:
            self.reconnects += sender.reconnects

    def send_body(self, sender, number):
        case = bodies.case(self.options.seed, number)
        label = f"case {number} ({case.kind}, {len(case.body)} bytes, {case.body[:60]!r})"
        try:
            status, content_type, data = sender.send(case)
        except (OSError, http.client.HTTPException) as error:
            self.fail(f"{label}: no answer: {error!r}")
            return
        problem = check(case, status, content_type, data)
        if problem:
            self.fail(f"{label}: {problem}")
        with self.lock:
            self.statuses[case.kind][status] += 1
            self.bytes += len(case.body)
            self.done += 1
            if self.pid and (self.done % 50 == 0 or self.done == self.options.count):
                self.watch_memory()

    def watch_memory(self):
        self.memory_last = memory_bytes(self.pid)
        if self.done >= self.options.count // 5:
            if self.memory_warm is None:
                self.memory_warm = self.memory_last
            self.memory_peak = max(self.memory_peak or 0, self.memory_last)

    def send_probe(self, probe):
        """Returns the answer's first line, b"" when the server just closed."""
        answer = b""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout) as connection:
                try:
                    connection.sendall(probe.data)
                    if probe.half_close:
                        connection.shutdown(socket.SHUT_WR)
                except (BrokenPipeError, ConnectionResetError, OSError):
                    pass  # refused early
                while b"\r\n" not in answer and (piece := connection.recv(4096)):
                    answer += piece
        except TimeoutError:
            self.fail(f"probe {probe.name!r} ({probe.data[:60]!r}): neither answered nor closed in {self.timeout:g} s")
            return b"timeout"
        except ConnectionResetError:
            pass  # closed with our bytes unread
        return answer.split(b"\r\n")[0]

    def run_probe(self, probe):
        line = self.send_probe(probe)
        if line == b"timeout":
            return
        status = line.split(b" ")[1].decode("latin-1") if line.startswith(b"HTTP/1.") and line.count(b" ") else "closed"
        if line and status == "closed":
            self.fail(f"probe {probe.name!r}: answered {line[:80]!r}")
        elif not probe.allows(status):
            self.fail(f"probe {probe.name!r} ({probe.data[:60]!r}): {status}; allowed: {probe.allowed}")
        self.statuses["sockets"][status] += 1

    def run_probes(self):
        for probe in sockets.fixed_probes():
            self.run_probe(probe)
        for number in range(min(self.options.count // 20, 500)):
            self.run_probe(sockets.random_probe(self.options.seed, number))

    def check_alive(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        sender = Sender(self.port)
        try:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                self.fail(f"/healthz says {response.status} afterwards")
            good = bodies.Case(1, "good", bodies.MIXED, b'{"text":"still here"}\n', {"Content-Type": "application/x-ndjson"},
                               lines=1, good=1)
            problem = check(good, *sender.send(good))
            if problem:
                self.fail(f"a good post afterwards: {problem}")
        except (OSError, http.client.HTTPException) as error:
            self.fail(f"the server is gone: {error!r}")
        finally:
            connection.close()
            sender.close()

    def check_memory(self):
        if not self.pid or self.memory_warm is None:
            return "not watched"
        mib = 1 << 20
        words = (f"{self.memory_warm / mib:.0f} MiB after the warm-up, at most {self.memory_peak / mib:.0f}, "
                 f"{self.memory_last / mib:.0f} at the end")
        if under_sanitizer(self.pid):
            return words + " (not judged: a sanitizer keeps what is freed)"
        if self.memory_last - self.memory_warm >= self.options.rss_growth_max_mb * 1_000_000:
            self.fail(f"memory grew: {words}")
        return words

    def run(self):
        started = time.monotonic()
        if self.options.only is not None:
            sender = Sender(self.port)
            self.send_body(sender, self.options.only)
            sender.close()
        else:
            threads = [threading.Thread(target=self.send_bodies) for _ in range(self.options.connections)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.run_probes()
        self.check_alive()
        try:
            if self.pid:
                self.memory_last = memory_bytes(self.pid)
            memory = self.check_memory()
        except OSError:
            self.fail("the process is gone")
            memory = "gone"
        self.report(time.monotonic() - started, memory)
        return not self.failures

    def report(self, seconds, memory):
        for kind in sorted(self.statuses):
            counts = ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses[kind].items(), key=str))
            print(f"  {kind:20} {counts}")
        print(f"{self.done} bodies ({self.bytes / 1e6:.0f} MB, {self.reconnects} connections) and "
              f"{sum(self.statuses['sockets'].values())} broken requests in {seconds:.1f} s, seed {self.options.seed}")
        print(f"memory: {memory}")
        print(f"{len(self.failures)} failures" if self.failures else "all answered as they should be")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int)
    parser.add_argument("--pid", type=int, help="whose memory to watch")
    parser.add_argument("--binary", help="start this program's serve command on a free port")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="send this case only")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rss-growth-max-mb", type=int, default=64)
    options = parser.parse_args()
    if (options.port is None) == (options.binary is None):
        parser.error("give either --port or --binary")
    if options.port is not None:
        return 0 if Run(options.port, options.pid, options).run() else 1
    from engine import Engine
    with tempfile.TemporaryDirectory(prefix="tidewatch-malformed-") as folder:
        with Engine(options.binary, folder, "--model", "none") as engine:
            passed = Run(engine.port, engine.process.pid, options).run()
            if engine.process.poll() is not None:
                print(f"FAIL the server ended with {engine.process.returncode}")
                print("".join(engine.stderr_lines[-20:]))
                passed = False
            elif (status := engine.stop()) != 0:
                print(f"FAIL the server stopped with {status}")
                print("".join(engine.stderr_lines[-20:]))
                passed = False
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
