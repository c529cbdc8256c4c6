# SPDX-License-Identifier: Apache-2.0
"""What the tests of connectors share."""

import contextlib
import glob
import os
import sqlite3
import time

SECONDS = 60  # a bound, never a wait that a passing test sits out


def until(what, condition, seconds=SECONDS):
    """Looks again and again until `condition()` is true, and returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def stored_rows(data_dir, columns="id"):
    """Rows of every stored post, read with SQLite itself; works beside a running engine."""
    rows = []
    for database in glob.glob(os.path.join(data_dir, "**", "posts-*.db"), recursive=True):
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            rows += connection.execute(f"SELECT {columns} FROM posts").fetchall()
    return rows


def stored_ids(data_dir):
    return [row[0] for row in stored_rows(data_dir)]


def source_of(engine, name):
    return next(one for one in engine.get("/v1/sources")["sources"] if one["name"] == name)
