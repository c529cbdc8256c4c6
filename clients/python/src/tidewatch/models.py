# SPDX-License-Identifier: Apache-2.0
"""What the server answers, as frozen dataclasses. ``raw`` has the whole JSON object, members of newer servers too."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Mapping, Sequence

Json = Mapping[str, Any]


def parse_time(text: str) -> datetime:
    """An RFC 3339 time of the server (always UTC) as an aware datetime."""
    body = text[:-1] if text.endswith(("Z", "z")) else text
    if "." in body:  # Python before 3.11 wants three or six digits
        head, _, fraction = body.partition(".")
        body = head + "." + (fraction + "000000")[:6]
    return datetime.fromisoformat(body).replace(tzinfo=timezone.utc)


def _time_or_none(value: Any) -> datetime | None:
    return None if value is None else parse_time(value)


@dataclass(frozen=True)
class Label:
    """A label with its probability; ``probabilities`` of all labels only from ``classify``."""

    label: str
    probability: float
    probabilities: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Json) -> Label:
        return cls(data["label"], data["probability"], data.get("probabilities", {}))


@dataclass(frozen=True)
class Classification:
    """What the model says of one text."""

    emotion: Label
    topic: Label
    model: str | None
    """Which model of a cascade answered; ``None`` for an empty text."""

    @classmethod
    def from_json(cls, data: Json, model: str) -> Classification:
        return cls(Label.from_json(data["emotion"]), Label.from_json(data["topic"]), data.get("model", model))


@dataclass(frozen=True)
class Post:
    """A stored post with its labels."""

    id: str
    text: str
    time: datetime
    sequence: int
    source: str | None
    author: str | None
    region: str | None
    repost_of: str | None
    url: str | None
    likes: int | None
    reposts: int | None
    emotion: Label | None
    topic: Label | None
    extra: Json
    """Members that Tidewatch does not know, as they were sent."""
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> Post:
        emotion, topic = data.get("emotion"), data.get("topic")
        return cls(
            id=data["id"],
            text=data["text"],
            time=parse_time(data["time"]),
            sequence=data["sequence"],
            source=data.get("source"),
            author=data.get("author"),
            region=data.get("region"),
            repost_of=data.get("repost_of"),
            url=data.get("url"),
            likes=data.get("likes"),
            reposts=data.get("reposts"),
            emotion=Label.from_json(emotion) if emotion else None,
            topic=Label.from_json(topic) if topic else None,
            extra=data.get("extra", {}),
            raw=data,
        )


@dataclass(frozen=True)
class SearchPage:
    """One page of a search, newest first."""

    posts: Sequence[Post]
    next: int | str | None
    """The ``before`` of the next page; ``None``: there is no more."""
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> SearchPage:
        return cls([Post.from_json(post) for post in data["posts"]], data["next"], data)


@dataclass(frozen=True)
class Account:
    """Who drives an alert."""

    author: str
    posts: int
    reposted: int


@dataclass(frozen=True)
class Cascade:
    """The largest repost cascade of an alert."""

    root: str
    posts: int
    depth: int
    breadth: int


@dataclass(frozen=True)
class Forecast:
    """Posts a minute on average until ``at``, with an 80 % interval."""

    at: datetime
    low: float
    expected: float
    high: float


@dataclass(frozen=True)
class HistoryEntry:
    """Who did what with an alert, when and why."""

    at: datetime
    action: str
    by: str
    note: str
    state: str

    @classmethod
    def from_json(cls, data: Json) -> HistoryEntry:
        return cls(parse_time(data["at"]), data["action"], data["by"], data["note"], data["state"])


@dataclass(frozen=True)
class Alert:
    """Something that builds up."""

    id: str
    key: str
    topic: str
    region: str
    kind: str
    """volume, negative, emergent or coordinated."""
    severity: str
    """info, warning or critical."""
    state: str
    """open, escalated, acknowledged, resolved or closed."""
    title: str
    onset_at: datetime
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    muted_until: datetime | None
    from_rate: float
    """Posts a minute; of the kind ``negative`` a share from 0 to 1."""
    to_rate: float
    score: float
    posts: int
    authors: int
    texts: int
    emotions: Mapping[str, float]
    terms: Sequence[str]
    evidence: Sequence[str]
    accounts: Sequence[Account]
    cascade: Cascade | None
    forecast: Forecast | None
    evidence_posts: Sequence[Post]
    """Only of one alert (``alert``) and of answers to actions."""
    history: Sequence[HistoryEntry]
    """Likewise; oldest first."""
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> Alert:
        cascade, forecast = data.get("cascade"), data.get("forecast")
        return cls(
            id=data["id"],
            key=data["key"],
            topic=data["topic"],
            region=data["region"],
            kind=data["kind"],
            severity=data["severity"],
            state=data["state"],
            title=data["title"],
            onset_at=parse_time(data["onset_at"]),
            opened_at=parse_time(data["opened_at"]),
            updated_at=parse_time(data["updated_at"]),
            closed_at=_time_or_none(data.get("closed_at")),
            muted_until=_time_or_none(data.get("muted_until")),
            from_rate=data["from_rate"],
            to_rate=data["to_rate"],
            score=data["score"],
            posts=data["posts"],
            authors=data["authors"],
            texts=data["texts"],
            emotions=data["emotions"],
            terms=data["terms"],
            evidence=data["evidence"],
            accounts=[Account(a["author"], a["posts"], a["reposted"]) for a in data.get("accounts", [])],
            cascade=Cascade(cascade["root"], cascade["posts"], cascade["depth"], cascade["breadth"])
            if cascade
            else None,
            forecast=Forecast(parse_time(forecast["at"]), forecast["low"], forecast["expected"], forecast["high"])
            if forecast
            else None,
            evidence_posts=[Post.from_json(post) for post in data.get("evidence_posts", [])],
            history=[HistoryEntry.from_json(entry) for entry in data.get("history", [])],
            raw=data,
        )


@dataclass(frozen=True)
class AlertPage:
    """One page of alerts, newest first."""

    alerts: Sequence[Alert]
    next: str | None

    @classmethod
    def from_json(cls, data: Json) -> AlertPage:
        return cls([Alert.from_json(alert) for alert in data["alerts"]], data["next"])


@dataclass(frozen=True)
class Trend:
    """A key with its change now."""

    key: str
    topic: str
    region: str
    kind: str
    posts: int
    authors: int
    texts: int
    rate_per_minute: float
    baseline_per_minute: float
    score: float
    """The detector's statistic over its threshold: 1 opens an alert."""
    negative_share: float
    rising: bool
    sparkline: Sequence[float]

    @classmethod
    def from_json(cls, data: Json) -> Trend:
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class SeriesPoint:
    """Counts of one step."""

    time: datetime
    posts: int
    negative: int
    authors: int
    texts: int
    emotions: Mapping[str, int]

    @classmethod
    def from_json(cls, data: Json) -> SeriesPoint:
        return cls(
            parse_time(data["time"]),
            data["posts"],
            data["negative"],
            data["authors"],
            data["texts"],
            data["emotions"],
        )


@dataclass(frozen=True)
class Rule:
    """A Boolean query that is counted under a key of its own."""

    name: str
    key: str
    query: str
    description: str
    enabled: bool
    origin: str
    """``file``: of the server's configuration; ``api``."""
    problem: str | None
    """Why it is not watched although enabled."""

    @classmethod
    def from_json(cls, data: Json) -> Rule:
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class RuleVerdict:
    """What the server thinks of a query."""

    valid: bool
    query: str | None
    """Of a valid one, as it was understood."""
    column: int | None
    reason: str | None
    remedy: str | None

    @classmethod
    def from_json(cls, data: Json) -> RuleVerdict:
        return cls(data["valid"], data.get("query"), data.get("column"), data.get("reason"), data.get("remedy"))


@dataclass(frozen=True)
class PublishedFigure:
    """How well a model's weights did when they were published, as their manifest says."""

    data: str
    """The data set it was measured on."""
    task: str | None
    texts: int | None
    accuracy: float
    """0 to 1, and so is ``macro_f1``."""
    macro_f1: float | None

    @classmethod
    def from_json(cls, data: Json) -> PublishedFigure:
        return cls(data["data"], data["task"], data["texts"], data["accuracy"], data["macro_f1"])


@dataclass(frozen=True)
class Model:
    """A loaded model."""

    name: str
    version: str
    backend: str
    precision: str
    max_length: int
    memory_bytes: int
    engine: str | None
    labels: Mapping[str, Sequence[str]]
    """By task: ``emotion`` and ``topic``."""
    published: Sequence[PublishedFigure]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> Model:
        return cls(
            name=data["name"],
            version=data["version"],
            backend=data["backend"],
            precision=data["precision"],
            max_length=data["max_length"],
            memory_bytes=data["memory_bytes"],
            engine=data.get("engine"),
            labels={task["name"]: task["labels"] for task in data["tasks"]},
            published=[PublishedFigure.from_json(figure) for figure in data.get("published", [])],
            raw=data,
        )


@dataclass(frozen=True)
class RejectedPost:
    """A post that the server did not take; sending it again does not help."""

    index: int
    """Its place in the input, from 0."""
    field: str
    """Empty: the post as a whole."""
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """What became of the posts of one ``ingest``: accepted + rejected + duplicates of them."""

    accepted: int = 0
    """New, and on the server's disk."""
    rejected: int = 0
    duplicates: int = 0
    """Their id was stored before; after a lost connection also posts of this very call."""
    errors: Sequence[RejectedPost] = ()
    """The first 1,000 rejected posts of which the server said why."""
    errors_omitted: int = 0
    waits: int = 0
    """How often the server asked to wait, or had to be called again."""


@dataclass(frozen=True)
class Event:
    """One event of ``watch``. ``alert`` or ``post`` is set by its kind; ``data`` always."""

    kind: str
    """alert, post or stats."""
    data: Json
    id: str | None = None
    """Of an alert: for ``watch(last_event_id=…)`` in another process."""
    action: str | None = None
    """Of an alert: opened, updated, closed, escalated, acknowledged, …"""
    alert: Alert | None = None
    post: Post | None = None
