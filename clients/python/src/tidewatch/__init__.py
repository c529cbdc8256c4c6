# SPDX-License-Identifier: Apache-2.0
"""Client of Tidewatch: send posts, classify texts, search, and watch alerts.

``Client`` is synchronous, ``AsyncClient`` is the same for asyncio. Both raise ``TidewatchError`` alone.
"""

from ._async_client import AsyncClient
from ._client import Client
from .errors import (
    ApiError,
    BadRequest,
    Busy,
    Conflict,
    ConnectionFailed,
    DeadlineExceeded,
    Forbidden,
    IngestError,
    NotFound,
    ProtocolError,
    ServerError,
    TidewatchError,
    TooLarge,
    Unavailable,
)
from .models import (
    Account,
    Alert,
    AlertPage,
    Cascade,
    Classification,
    Event,
    Forecast,
    HistoryEntry,
    IngestReport,
    Label,
    Model,
    Post,
    PublishedFigure,
    RejectedPost,
    Rule,
    RuleVerdict,
    SearchPage,
    SeriesPoint,
    Trend,
)

__version__ = "0.1.0"

__all__ = [
    "Account",
    "Alert",
    "AlertPage",
    "ApiError",
    "AsyncClient",
    "BadRequest",
    "Busy",
    "Cascade",
    "Classification",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Event",
    "Forbidden",
    "Forecast",
    "HistoryEntry",
    "IngestError",
    "IngestReport",
    "Label",
    "Model",
    "NotFound",
    "Post",
    "ProtocolError",
    "PublishedFigure",
    "RejectedPost",
    "Rule",
    "RuleVerdict",
    "SearchPage",
    "SeriesPoint",
    "ServerError",
    "TidewatchError",
    "TooLarge",
    "Trend",
    "Unavailable",
]
