# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments during ingest: every acknowledged post is there afterwards, once.

The moment is chosen by count, not by time: the engine is killed from another thread while a
request is under way, after a random number of posts were acknowledged or merely sent. What was in
flight at that moment may be there or not; the client then sends the same ids again, as a real one
does, and must not make a post appear twice.

    TIDEWATCH=build/release/bin/tidewatch python3 tests/e2e/kill_test.py [--kills 50] [--seed 1]
"""

import argparse
import collections
import contextlib
import glob
import http.client
import json
import os
import random
import sqlite3
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402


class Client:
    """Sends numbered posts and remembers which were acknowledged."""

    def __init__(self, rng):
        self.rng = rng
        self.lock = threading.Lock()
        self.next_number = 0
        self.acknowledged = set()
        self.unknown = []  # sent, answer never seen: sent again after the restart

    def make(self, count):
        posts = []
        for _ in range(count):
            number = self.next_number
            self.next_number += 1
            posts.append({"id": f"kill-{number}", "text": f"第{number}条 今天也要好好吃饭", "author": f"u{number % 97}"})
        return posts

    def send(self, engine, posts):
        """One request. Returns False when the engine died before it answered."""
        try:
            status, _, answer = engine.post_lines(posts)
        except (OSError, http.client.HTTPException):
            self.unknown.extend(posts)
            return False
        assert status == 200, (status, answer)
        assert answer["rejected"] == 0, answer
        assert answer["accepted"] + answer["duplicates"] == len(posts), answer
        self.acknowledged.update(post["id"] for post in posts)
        return True


def stream_until_killed(engine, client, kill_after_bytes):
    """Streams one long chunked body and kills the engine once so much of it was written."""
    with client.lock:
        posts = client.make(2000)
    # Meanwhile another client gets acknowledgements for single posts, until the end.
    dead = threading.Event()
    beside = threading.Thread(target=send_singles, args=(engine, client, dead))
    beside.start()
    connection = engine.connection()
    sent = 0
    try:
        connection.putrequest("POST", "/v1/posts")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.putheader("Content-Type", "application/x-ndjson")
        connection.endheaders()
        for start in range(0, len(posts), 50):
            data = "".join(json.dumps(p) + "\n" for p in posts[start : start + 50]).encode()
            connection.send(b"%x\r\n%s\r\n" % (len(data), data))
            sent += len(data)
            if sent >= kill_after_bytes:
                engine.kill()
                break
    except OSError:
        pass
    finally:
        connection.close()
        engine.kill()
        dead.set()
        beside.join()
    client.unknown.extend(posts)


def send_singles(engine, client, dead):
    while not dead.is_set():
        with client.lock:
            posts = client.make(1)
        if not client.send(engine, posts):
            return


def requests_until_killed(engine, client, rng):
    """Several clients at once; the engine is killed after a random number of answers."""
    limit = rng.randrange(1, 12)
    answered = threading.Semaphore(0)
    dead = threading.Event()

    def work(seed):
        own = random.Random(seed)
        while not dead.is_set():
            with client.lock:
                posts = client.make(own.choice([1, 3, 20, 100]))
            if not client.send(engine, posts):
                return
            answered.release()

    threads = [threading.Thread(target=work, args=(rng.random(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(limit):
        answered.acquire()
    engine.kill()
    dead.set()
    for thread in threads:
        thread.join()


def check(data_dir, client):
    """Reads the store with SQLite itself, while no engine runs."""
    databases = glob.glob(os.path.join(data_dir, "**", "posts*.db"), recursive=True)
    assert databases, os.listdir(data_dir)
    ids = collections.Counter()
    for database in databases:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
            if os.path.basename(database).startswith("posts-"):
                ids.update(row[0] for row in connection.execute("SELECT id FROM posts"))
    twice = [key for key, count in ids.items() if count > 1]
    assert not twice, f"stored twice: {twice[:5]}"
    lost = [key for key in client.acknowledged if key not in ids]
    assert not lost, f"acknowledged but lost: {len(lost)}, such as {lost[:5]}"
    return len(ids)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="fast")
    options = parser.parse_args()
    binary = binary_from_environment()
    rng = random.Random(options.seed)
    client = Client(rng)
    with tempfile.TemporaryDirectory() as data_dir:
        for kill in range(options.kills):
            with Engine(binary, data_dir, "--model", options.model) as engine:
                again, client.unknown = client.unknown, []
                for start in range(0, len(again), 500):
                    assert client.send(engine, again[start : start + 500])
                if kill % 2:
                    requests_until_killed(engine, client, rng)
                else:
                    stream_until_killed(engine, client, rng.randrange(1, 200_000))
            stored = check(data_dir, client)
            print(f"kill {kill + 1}: {len(client.acknowledged)} acknowledged, {stored} stored", flush=True)
        with Engine(binary, data_dir, "--model", "none") as engine:
            again, client.unknown = client.unknown, []
            for start in range(0, len(again), 500):
                assert client.send(engine, again[start : start + 500])
            assert engine.stop() == 0
        assert check(data_dir, client) == len(client.acknowledged) == client.next_number
    print(f"ok: {options.kills} kills, {client.next_number} posts, none lost, none twice (seed {options.seed})")


if __name__ == "__main__":
    main()
