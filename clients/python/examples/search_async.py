# SPDX-License-Identifier: Apache-2.0
"""Several searches at once, with asyncio.

python search_async.py http://127.0.0.1:8000 退款 客服
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from tidewatch import AsyncClient


async def count(client: AsyncClient, word: str) -> tuple[str, int]:
    return word, len([post async for post in client.search(word, since=timedelta(days=7))])


async def main() -> None:
    async with AsyncClient(sys.argv[1]) as client:
        for word, posts in await asyncio.gather(*(count(client, word) for word in sys.argv[2:])):
            print(f"{word}\t{posts}")


if __name__ == "__main__":
    asyncio.run(main())
