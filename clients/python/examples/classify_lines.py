# SPDX-License-Identifier: Apache-2.0
"""Labels the lines of standard input.

python classify_lines.py [http://127.0.0.1:8000] < texts.txt
"""

from __future__ import annotations

import sys

from tidewatch import Client


def main() -> None:
    texts = [line.rstrip("\n") for line in sys.stdin]
    with Client(*sys.argv[1:2]) as client:
        for text, result in zip(texts, client.classify(texts)):
            emotion, topic = result.emotion, result.topic
            print(f"{emotion.label} {emotion.probability:.2f}\t{topic.label} {topic.probability:.2f}\t{text}")


if __name__ == "__main__":
    main()
