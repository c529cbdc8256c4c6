# SPDX-License-Identifier: Apache-2.0
"""Starts the real program for end-to-end tests (Python standard library only)."""

import http.client
import json
import os
import signal
import subprocess
import threading
import urllib.parse


class Engine:
    """`tidewatch serve` on a free port. Use as a context manager; `kill()` is a kill -9."""

    def __init__(self, binary, data_dir, *arguments, ready_seconds=60):
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [binary, "serve", "--port", "0", "--grpc-port", "0", "--data-dir", data_dir, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stderr_lines = []
        self._stderr = threading.Thread(target=self._drain, daemon=True)
        self._stderr.start()
        # The only wait: for the line that the program prints once it listens.
        watchdog = threading.Timer(ready_seconds, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        grpc = "" if "--no-grpc" in arguments else self.process.stdout.readline()
        watchdog.cancel()
        if not line.startswith("listening on http://"):
            self.process.wait()
            self._stderr.join()
            raise RuntimeError(f"did not start: {line!r}\n" + "".join(self.stderr_lines[-20:]))
        self.port = int(line.strip().rsplit(":", 1)[1])
        self.grpc_port = int(grpc.strip().rsplit(":", 1)[1]) if grpc.startswith("grpc on ") else None

    def _drain(self):
        for line in self.process.stderr:
            self.stderr_lines.append(line)
            del self.stderr_lines[:-1000]

    def connection(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        """Returns (status, headers, decoded body)."""
        connection = self.connection()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            data = response.read()
            if "json" in (response.getheader("Content-Type") or ""):
                data = json.loads(data)
            return response.status, response.headers, data
        finally:
            connection.close()

    def get(self, path, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, _, data = self.request("GET", path)
        assert status == 200, (path, status, data)
        return data

    def post_lines(self, posts):
        body = "".join(json.dumps(post, ensure_ascii=False) + "\n" for post in posts).encode()
        return self.request("POST", "/v1/posts", body, {"Content-Type": "application/x-ndjson"})

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """A polite stop; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.process.wait()
        self._stderr.join()
        self.process.stdout.close()
        self.process.stderr.close()


def binary_from_environment():
    """The program under test: $TIDEWATCH, set by ctest."""
    binary = os.environ.get("TIDEWATCH")
    if not binary or not os.access(binary, os.X_OK):
        raise SystemExit("set TIDEWATCH to the program to test, such as build/release/bin/tidewatch")
    return binary
