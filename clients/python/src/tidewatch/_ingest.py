# SPDX-License-Identifier: Apache-2.0
"""Sending posts, without I/O: which lines go into a request, and what its answer means."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any, Mapping, Union

import httpx

from . import _requests
from .errors import ConnectionFailed, IngestError, error_of
from .models import IngestReport, RejectedPost

NewPost = Union[str, Mapping[str, Any]]
"""A text, or an object with at least ``text`` (see docs/api.md for its members)."""

ERRORS_MAX = 1000
BACKOFF_MAX = 30.0  # seconds between two attempts on a server that cannot be reached


class Ingest:
    """One call of ``ingest``.

    ``add`` takes posts until it says that a batch is full; then, while ``has_lines``: send ``body()`` and tell
    ``answered`` or ``broken``, which say how many seconds to wait before the next.
    """

    def __init__(self, batch_posts: int, batch_bytes: int, assign_ids: bool, attempts_max: int) -> None:
        if batch_posts < 1 or batch_bytes < 1 or attempts_max < 1:
            raise ValueError("batch_posts, batch_bytes and attempts_max must be at least 1")
        self._batch_posts = batch_posts
        self._batch_bytes = batch_bytes
        self._attempts_max = attempts_max
        # The number stands at the end: such ids are the cheapest for the server's index.
        self._id_prefix = f"py-{uuid.uuid4().hex}-" if assign_ids else None
        self._count = 0
        self._lines: list[bytes] = []
        self._bytes = 0
        self._first_index = 0  # of _lines, in the input
        self._all_have_ids = True
        self._failures = 0  # in a row, without any progress
        self.report = IngestReport()

    def add(self, post: NewPost) -> bool:
        """Takes a post; true when what was added should be sent now."""
        fields: dict[str, Any] = {"text": post} if isinstance(post, str) else dict(post)
        if fields.get("id") is None:
            if self._id_prefix is not None:
                fields["id"] = f"{self._id_prefix}{self._count}"
            else:
                self._all_have_ids = False
                fields.pop("id", None)
        line = json.dumps(fields, ensure_ascii=False, default=_plain).encode("utf-8", "replace") + b"\n"
        self._count += 1
        self._lines.append(line)
        self._bytes += len(line)
        return len(self._lines) >= self._batch_posts or self._bytes >= self._batch_bytes

    @property
    def has_lines(self) -> bool:
        return bool(self._lines)

    def body(self) -> bytes:
        return b"".join(self._lines)

    def answered(self, status: int, headers: httpx.Headers, content: bytes) -> float:
        """Takes an answer; returns how long to wait before the rest is sent (0: not at all)."""
        answer = _requests.problem_of(status, headers, content)
        if status == 200 and "accepted" not in answer:
            raise IngestError("the answer is not Tidewatch's; what is at this address?", self.report, self.next_index)
        if "accepted" not in answer and status not in (429, 503):
            raise self._given_up(str(error_of(status, answer, None)))
        taken = self._account(answer)
        if not self._lines:
            return 0.0
        self.report = replace(self.report, waits=self.report.waits + 1)
        self._failures = 0 if taken > 0 else self._failures + 1
        error = error_of(status, answer, _requests.retry_after(headers))
        if status not in (408, 413, 429, 503) or (status == 413 and taken == 0):
            raise self._given_up(str(error))
        if self._failures >= self._attempts_max:
            raise self._given_up(f"no progress in {self._failures} attempts; the last answer: {error}")
        if error.retry_after is not None:
            return error.retry_after
        return 0.0 if taken > 0 else self._backoff()

    def broken(self, cause: Exception) -> float:
        """The connection failed, so nobody knows what was stored; returns how long to wait before the next try."""
        if not self._all_have_ids:
            raise self._given_up(
                f"the connection failed ({cause}) and some posts have no id: sending them again could store them twice"
            ) from cause
        self._failures += 1
        self.report = replace(self.report, waits=self.report.waits + 1)
        if self._failures >= self._attempts_max:
            raise self._given_up(f"the server could not be reached in {self._failures} attempts: {cause}") from cause
        return self._backoff()

    @property
    def next_index(self) -> int:
        """The first post that is not accounted for."""
        return self._first_index

    def _backoff(self) -> float:
        return float(min(BACKOFF_MAX, 0.5 * 2 ** min(self._failures, 10)))

    def _given_up(self, why: str) -> IngestError:
        return IngestError(why, self.report, self.next_index)

    def _account(self, answer: Mapping[str, Any]) -> int:
        """Adds what became of the lines; keeps those that are to be sent again. Returns how many are done with."""
        rest = answer.get("unprocessed_from_line") or 0
        if "accepted" not in answer:
            return 0  # refused before the first line was looked at
        taken = len(self._lines) if rest == 0 else min(rest - 1, len(self._lines))
        old = self.report
        errors = list(old.errors)
        for error in answer.get("errors", []):
            if len(errors) < ERRORS_MAX:
                errors.append(RejectedPost(self._first_index + error["line"] - 1, error["field"], error["reason"]))
        self.report = replace(
            old,
            accepted=old.accepted + answer["accepted"],
            rejected=old.rejected + answer["rejected"],
            duplicates=old.duplicates + answer["duplicates"],
            errors=errors,
            errors_omitted=old.errors_omitted + answer.get("errors_omitted", 0),
        )
        self._first_index += taken
        self._lines = self._lines[taken:]
        self._bytes = sum(map(len, self._lines))
        self._failures = 0 if taken > 0 else self._failures
        return taken


def _plain(value: Any) -> Any:
    """Members that JSON does not know: datetimes."""
    if hasattr(value, "isoformat"):
        return _requests.time_text(value)
    raise TypeError(f"a post may not hold a {type(value).__name__}")


def as_connection_failed(error: httpx.TransportError, url: str) -> ConnectionFailed:
    return ConnectionFailed(f"{url}: {error or type(error).__name__}; is `tidewatch serve` running there?")
