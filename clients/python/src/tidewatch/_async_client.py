# SPDX-License-Identifier: Apache-2.0
"""The asyncio client."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping

import httpx

from . import _requests
from ._events import READ_TIMEOUT, EventStream
from ._ingest import Ingest, NewPost, as_connection_failed
from ._requests import TEXTS_MAX, Request, Time, segment
from .errors import ApiError, ConnectionFailed
from .models import (
    Alert,
    AlertPage,
    Classification,
    Event,
    IngestReport,
    Model,
    Post,
    Rule,
    RuleVerdict,
    SearchPage,
    SeriesPoint,
    Trend,
)


class AsyncClient:
    """A connection to one Tidewatch server, for asyncio.

    ``timeout`` (seconds) is for each answer. Requests that may be repeated are tried ``retries`` times more when the
    connection fails or the server says 429 or 503, after the time that it asks for. For one event loop.
    Use it as a context manager, or call ``aclose``.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: float = 30.0,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._retries = retries
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=timeout, headers=dict(headers or {}), transport=transport
        )
        self._sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # Posts.

    async def ingest(
        self,
        posts: Iterable[NewPost] | AsyncIterable[NewPost],
        *,
        batch_posts: int = 1000,
        batch_bytes: int = 4 << 20,
        assign_ids: bool = True,
        attempts_max: int = 10,
    ) -> IngestReport:
        """Sends posts and returns when all of them are accounted for: what is accepted is on the server's disk.

        ``posts`` are texts or mappings with at least ``text``; any iterable or async iterable, also an endless one. At most
        ``batch_posts`` or ``batch_bytes`` are held and sent at a time. When the server is behind (429) or cannot store
        (503), waits as long as it asks and goes on from the first post that it did not take.

        Each post counts once: one without ``id`` gets one here (unless ``assign_ids=False``), so that a batch whose
        answer was lost can be sent again; the server then tells what it had already as ``duplicates``.

        Raises ``IngestError`` after ``attempts_max`` attempts without any progress, or at once when the server
        refuses for good; it says from which post to go on. A post that cannot be taken is in ``report.errors``.
        """
        state = Ingest(batch_posts, batch_bytes, assign_ids, attempts_max)
        if isinstance(posts, AsyncIterable):
            async for post in posts:
                if state.add(post):
                    await self._send_lines(state)
        else:
            for post in posts:
                if state.add(post):
                    await self._send_lines(state)
        await self._send_lines(state)
        return state.report

    async def _send_lines(self, state: Ingest) -> None:
        while state.has_lines:
            try:
                answer = await self._http.post(
                    "/v1/posts", content=state.body(), headers={"Content-Type": "application/x-ndjson"}
                )
            except httpx.TransportError as error:
                wait = state.broken(error)
            else:
                wait = state.answered(answer.status_code, answer.headers, answer.content)
            if wait > 0:
                await self._sleep(wait)

    async def search(
        self,
        q: str | None = None,
        *,
        topic: str | None = None,
        region: str | None = None,
        emotion: str | None = None,
        author: str | None = None,
        source: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[Post]:
        """All stored posts that match, newest first, page after page.

        ``since`` and ``until`` are datetimes, timedeltas before now, RFC 3339 texts, or seconds before now.
        """
        before: int | str | None = None
        while True:
            page = await self.search_page(
                q,
                topic=topic,
                region=region,
                emotion=emotion,
                author=author,
                source=source,
                since=since,
                until=until,
                limit=page_size,
                before=before,
            )
            for post in page.posts:
                yield post
            if page.next is None:
                return
            before = page.next

    async def search_page(
        self,
        q: str | None = None,
        *,
        topic: str | None = None,
        region: str | None = None,
        emotion: str | None = None,
        author: str | None = None,
        source: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        limit: int = 50,
        before: int | str | None = None,
    ) -> SearchPage:
        """One page of ``search``; ``before`` is the ``next`` of the page before."""
        request = _requests.search(q, topic, region, emotion, author, source, since, until, limit, before)
        return SearchPage.from_json(await self._json(request))

    async def post(self, post_id: str) -> Post:
        """One stored post."""
        return Post.from_json(await self._json(Request("GET", f"/v1/posts/{segment(post_id)}")))

    async def classify(
        self, texts: Iterable[str], *, model: str | None = None, timeout: float | None = None
    ) -> list[Classification]:
        """Labels texts, in their order, without storing them; any number of them.

        ``timeout``: seconds that each request (of at most 1,024 texts) may take on the server; ``Busy`` or
        ``DeadlineExceeded`` when it cannot keep that.
        """
        all_texts = list(texts)
        results: list[Classification] = []
        for start in range(0, len(all_texts), TEXTS_MAX):
            request = _requests.classify(all_texts[start : start + TEXTS_MAX], model, timeout)
            data = await self._json(request)
            results += [Classification.from_json(result, data["model"]) for result in data["results"]]
        return results

    # Alerts.

    async def alerts(self, *, state: str = "all", page_size: int = 100) -> AsyncIterator[Alert]:
        """All alerts, newest first. ``state``: open (escalated and acknowledged ones too), closed or all."""
        before: str | None = None
        while True:
            page = await self.alerts_page(state=state, limit=page_size, before=before)
            for alert in page.alerts:
                yield alert
            if page.next is None:
                return
            before = page.next

    async def alerts_page(self, *, state: str = "all", limit: int = 50, before: str | None = None) -> AlertPage:
        """One page of ``alerts``; ``before`` is the ``next`` of the page before."""
        request = Request("GET", "/v1/alerts", _requests.params(state=state, limit=limit, before=before))
        return AlertPage.from_json(await self._json(request))

    async def alert(self, alert_id: str) -> Alert:
        """One alert with its evidence and history."""
        return Alert.from_json(await self._json(Request("GET", f"/v1/alerts/{segment(alert_id)}")))

    async def acknowledge(self, alert_id: str, *, by: str = "", note: str = "") -> Alert:
        """Says that somebody has seen it. Raises ``Conflict`` when its state does not allow it."""
        return Alert.from_json(await self._json(_requests.alert_action(alert_id, "ack", by, note)))

    async def escalate(self, alert_id: str, *, by: str = "", note: str = "") -> Alert:
        """Asks for more people. Not repeated by itself: it tells them each time."""
        return Alert.from_json(await self._json(_requests.alert_action(alert_id, "escalate", by, note)))

    async def resolve(self, alert_id: str, *, by: str = "", note: str = "") -> Alert:
        """Says that nothing more is to be done."""
        return Alert.from_json(await self._json(_requests.alert_action(alert_id, "resolve", by, note)))

    async def reopen(self, alert_id: str, *, by: str = "", note: str = "") -> Alert:
        """Takes back an acknowledgement, an escalation or a resolution."""
        return Alert.from_json(await self._json(_requests.alert_action(alert_id, "reopen", by, note)))

    async def mute(self, alert_id: str, *, minutes: int = 60, by: str = "", note: str = "") -> Alert:
        """Tells nobody of it for so long; 0 ends that."""
        return Alert.from_json(await self._json(_requests.alert_action(alert_id, "mute", by, note, minutes)))

    async def watch(
        self,
        *,
        events: Collection[str] = ("alert",),
        last_event_id: str | None = None,
        reconnect: bool = True,
    ) -> AsyncIterator[Event]:
        """Events as they happen: ``alert``, and on demand ``stats`` (once a second) and ``post`` (a sample). Never ends.

        When the connection drops it is made again and resumes after the last alert event, so that none of the last
        1,000 is missed; what comes twice is left out. Keep ``event.id`` to resume in another process. A new alert
        of a restarted server is told; what it told before its restart is not repeated: ask ``alerts`` for that.
        """
        stream = EventStream(events, last_event_id)
        while True:
            wait: float | None = None
            try:
                async with self._http.stream(
                    "GET",
                    "/v1/live",
                    headers=stream.headers(),
                    timeout=httpx.Timeout(self._timeout, read=READ_TIMEOUT),
                ) as answer:
                    if answer.status_code != 200:
                        _requests.document(answer.status_code, answer.headers, await answer.aread())
                    stream.connected()
                    async for piece in answer.aiter_bytes():
                        for event in stream.feed(piece):
                            yield event
            except httpx.TransportError as error:
                if not reconnect:
                    raise as_connection_failed(error, self.url) from error
            except ApiError as error:
                if not reconnect or error.status not in (429, 503):
                    raise
                wait = error.retry_after
            if not reconnect:
                return
            await self._sleep(stream.failed(wait))

    # Trends, rules, models.

    async def trends(
        self, *, kind: str = "topic", window: int = 300, limit: int = 20, region: str = "*"
    ) -> list[Trend]:
        """Keys with the most change now, largest score first. ``kind``: topic, hashtag, keyword or rule."""
        query = _requests.params(kind=kind, window=window, limit=limit, region=region)
        data = await self._json(Request("GET", "/v1/trends", query))
        return [Trend.from_json(trend) for trend in data["trends"]]

    async def series(self, key: str, *, since: Time = 3600, step: int = 60) -> list[SeriesPoint]:
        """Counts of one key (``finance@*``, ``#高考#``, ``rule:退款潮``) over time, oldest first; ``step`` in seconds."""
        data = await self._json(_requests.series(key, since, step))
        return [SeriesPoint.from_json(point) for point in data["points"]]

    async def rules(self) -> list[Rule]:
        """All rules, by name."""
        data = await self._json(Request("GET", "/v1/rules"))
        return [Rule.from_json(rule) for rule in data["rules"]]

    async def rule(self, name: str) -> Rule:
        """One rule."""
        return Rule.from_json(await self._json(Request("GET", f"/v1/rules/{segment(name)}")))

    async def put_rule(self, name: str, query: str, *, description: str = "", enabled: bool = True) -> Rule:
        """Makes a rule or replaces it; it is watched once this returns. ``BadRequest`` says where the query is wrong."""
        return Rule.from_json(await self._json(_requests.put_rule(name, query, description, enabled)))

    async def delete_rule(self, name: str) -> None:
        """Stops watching a rule. Not repeated by itself: gone already is ``NotFound``."""
        await self._json(Request("DELETE", f"/v1/rules/{segment(name)}", repeatable=False))

    async def validate_rule(self, query: str) -> RuleVerdict:
        """Whether a query could be a rule, and where not, without making one."""
        request = Request("POST", "/v1/rules/validate", body={"query": query})
        return RuleVerdict.from_json(await self._json(request))

    async def models(self) -> list[Model]:
        """The loaded models."""
        data = await self._json(Request("GET", "/v1/models"))
        return [Model.from_json(model) for model in data["models"]]

    async def stats(self) -> dict[str, Any]:
        """The last seconds in numbers, as ``GET /v1/stats`` has them."""
        return await self._json(Request("GET", "/v1/stats"))

    async def ready(self) -> bool:
        """Whether posts can be classified and stored now."""
        try:
            await self._json(Request("GET", "/readyz"), retries=0)
        except (ApiError, ConnectionFailed):
            return False
        return True

    # Requests.

    async def _json(self, request: Request, retries: int | None = None) -> dict[str, Any]:
        answer = await self._answer(request, self._retries if retries is None else retries)
        return _requests.document(answer.status_code, answer.headers, answer.content)

    async def _answer(self, request: Request, retries: int) -> httpx.Response:
        for attempt in range(retries + 1):
            last = attempt == retries
            wait: float | None = None
            try:
                answer = await self._http.request(
                    request.method,
                    request.path,
                    params=dict(request.params),
                    json=request.body,
                    headers=dict(request.headers),
                )
                # Refused before anything was done, so even an action may be asked for again.
                if answer.status_code not in (429, 503) or last:
                    return answer
                wait = _requests.retry_after(answer.headers)
            except httpx.TransportError as error:
                if last or not request.repeatable:
                    raise as_connection_failed(error, self.url) from error
            await self._sleep(0.5 * 2**attempt if wait is None else wait)
        raise AssertionError("retries must not be negative")
