# SPDX-License-Identifier: Apache-2.0
"""Sends a CSV file with a column `text` (and, if there, id, time, author, region, source, url).

python send_csv.py posts.csv [http://127.0.0.1:8000]
"""

from __future__ import annotations

import csv
import sys
from typing import Iterator

from tidewatch import Client

KNOWN = ("id", "text", "time", "author", "region", "source", "url", "repost_of")


def posts(path: str) -> Iterator[dict[str, str]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            yield {name: row[name] for name in KNOWN if row.get(name)}


def main() -> None:
    url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"
    with Client(url) as client:
        report = client.ingest(posts(sys.argv[1]))
    print(f"{report.accepted} accepted, {report.duplicates} known already, {report.rejected} rejected")
    for error in report.errors:
        print(f"row {error.index + 2}: {error.field} {error.reason}")


if __name__ == "__main__":
    main()
