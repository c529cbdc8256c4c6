# SPDX-License-Identifier: Apache-2.0
"""Requests and answers without I/O: what both clients share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Mapping, Union
from urllib.parse import quote

import httpx

from .errors import ProtocolError, error_of

Time = Union[str, int, datetime, timedelta]
"""RFC 3339, seconds before now, a datetime (a naive one is local time), or a timedelta before now."""

TEXTS_MAX = 1024
"""Texts in one request to classify."""


@dataclass(frozen=True)
class Request:
    """One request: ``repeatable`` when doing it twice is doing it once."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


def segment(text: str) -> str:
    """A path segment, percent-encoded."""
    return quote(text, safe="")


def time_text(value: Time) -> str:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    return str(value)


def params(**values: Any) -> dict[str, str]:
    """Query parameters; what is ``None`` is left out."""
    return {name: str(value) for name, value in values.items() if value is not None}


def search(
    q: str | None,
    topic: str | None,
    region: str | None,
    emotion: str | None,
    author: str | None,
    source: str | None,
    since: Time | None,
    until: Time | None,
    limit: int,
    before: int | str | None,
) -> Request:
    return Request(
        "GET",
        "/v1/posts",
        params(
            q=q,
            topic=topic,
            region=region,
            emotion=emotion,
            author=author,
            source=source,
            since=None if since is None else time_text(since),
            until=None if until is None else time_text(until),
            limit=limit,
            before=before,
        ),
    )


def classify(texts: list[str], model: str | None, timeout: float | None) -> Request:
    body: dict[str, Any] = {"texts": texts}
    if model is not None:
        body["model"] = model
    headers = {} if timeout is None else {"X-Timeout-Ms": str(max(1, int(timeout * 1000)))}
    return Request("POST", "/v1/classify", body=body, headers=headers)


def alert_action(alert_id: str, action: str, by: str, note: str, minutes: int | None = None) -> Request:
    body: dict[str, Any] = {"by": by, "note": note}
    if minutes is not None:
        body["minutes"] = minutes
    # Twice is once: asking for what is already so changes nothing. Not so for escalate.
    return Request("POST", f"/v1/alerts/{segment(alert_id)}/{action}", body=body, repeatable=action != "escalate")


def put_rule(name: str, query: str, description: str, enabled: bool) -> Request:
    body = {"query": query, "description": description, "enabled": enabled}
    return Request("PUT", f"/v1/rules/{segment(name)}", body=body)


def series(key: str, since: Time, step: int) -> Request:
    return Request("GET", f"/v1/topics/{segment(key)}/series", params(since=time_text(since), step=step))


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that the server asks to wait; its own answers are in seconds."""
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def problem_of(status: int, headers: httpx.Headers, content: bytes) -> Mapping[str, Any]:
    """The problem details of an answer; something like them when it has none."""
    if "json" in headers.get("Content-Type", ""):
        try:
            problem = json.loads(content)
        except ValueError:
            problem = None
        if isinstance(problem, dict):
            return problem
    text = content[:200].decode("utf-8", "replace")
    return {"title": httpx.codes.get_reason_phrase(status), "detail": text, "status": status}


def document(status: int, headers: httpx.Headers, content: bytes) -> dict[str, Any]:
    """The JSON object of a 200 answer; else the exception."""
    if status != 200:
        raise error_of(status, problem_of(status, headers, content), retry_after(headers))
    try:
        data = json.loads(content)
    except ValueError as error:
        raise ProtocolError("the answer is not JSON; is Tidewatch at this address?") from error
    if not isinstance(data, dict):
        raise ProtocolError("the answer is not a JSON object; is Tidewatch at this address?")
    return data
