# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, without I/O."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Collection, Iterator

from .errors import ProtocolError
from .models import Alert, Event, Post

KINDS = ("alert", "post", "stats")
SEEN_MAX = 4096  # alert events that are recognised when the server sends them again
READ_TIMEOUT = 45.0  # the server sends a comment every 15 s
BACKOFF_MAX = 30.0
LINE_BYTES_MAX = 16 << 20


class EventStream:
    """Reads the lines of a stream; remembers where to resume, and what was seen, over several connections."""

    def __init__(self, kinds: Collection[str], last_event_id: str | None) -> None:
        unknown = set(kinds) - set(KINDS)
        if unknown:
            raise ValueError(f"no such events: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
        self._kinds = frozenset(kinds)
        self.last_event_id = last_event_id
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._failures = 0
        self._retry = 2.0
        self.connected()

    def connected(self) -> None:
        """A new connection begins: what was half read is gone."""
        self._rest = b""
        self._clear()

    def _clear(self) -> None:
        self._kind = ""
        self._data: list[str] = []
        self._id: str | None = None

    def failed(self, retry_after: float | None = None) -> float:
        """The connection ended or could not be made; seconds to wait before the next."""
        wait = min(BACKOFF_MAX, self._retry * float(2 ** min(self._failures, 6)))
        self._failures += 1
        return wait if retry_after is None else max(wait, retry_after)

    def headers(self) -> dict[str, str]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        return headers

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Takes the next bytes of the stream, cut anywhere; gives the events that are wanted and new."""
        # Lines end with LF alone: texts may hold U+2028 and the like, which str.splitlines() would cut at.
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise ProtocolError("a line of the event stream does not end; is Tidewatch at this address?")
        for line in lines:
            event = self._take(line.rstrip(b"\r").decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdigit():
            self._retry = int(value) / 1000
        return None

    def _dispatch(self) -> Event | None:
        kind, data, event_id = self._kind, "\n".join(self._data), self._id
        self._clear()
        if not data:
            return None
        self._failures = 0
        if event_id:
            self.last_event_id = event_id
            if event_id in self._seen:
                return None
            self._seen[event_id] = None
            if len(self._seen) > SEEN_MAX:
                self._seen.popitem(last=False)
        if kind not in self._kinds:
            return None
        body = json.loads(data)
        if kind == "alert":
            return Event(kind, body, event_id, action=body.get("event"), alert=Alert.from_json(body))
        if kind == "post":
            return Event(kind, body, event_id, post=Post.from_json(body))
        return Event(kind, body, event_id)
