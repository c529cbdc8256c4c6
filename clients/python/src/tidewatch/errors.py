# SPDX-License-Identifier: Apache-2.0
"""What can go wrong. Every exception of this package is a ``TidewatchError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

if TYPE_CHECKING:
    from .models import IngestReport


class TidewatchError(Exception):
    """Anything that this package raises."""


class ConnectionFailed(TidewatchError):
    """The server could not be reached, or the connection broke; the cause is ``__cause__``."""


class ProtocolError(TidewatchError):
    """The answer is not what Tidewatch answers: another server, or a proxy, at that address."""


class ApiError(TidewatchError):
    """The server refused. RFC 9457 problem details, as attributes."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.problem = dict(problem)
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.code = str(problem.get("code", ""))
        """gRPC's name of the error, such as ``INVALID_ARGUMENT``."""
        self.retry_after = retry_after
        """Seconds after which the server asks to try again; ``None`` when it does not say."""
        super().__init__(f"{status} {self.title}: {self.detail}".rstrip(": "))


class BadRequest(ApiError):
    """400: the request cannot be understood; ``detail`` says what to write."""


class Forbidden(ApiError):
    """403, 421: the server does not take requests under this name or origin."""


class NotFound(ApiError):
    """404: there is no such thing."""


class Conflict(ApiError):
    """409: not possible in its state."""


class TooLarge(ApiError):
    """413: the body is too long."""


class Busy(ApiError):
    """429: the engine is behind; try again after ``retry_after`` seconds."""


class Unavailable(ApiError):
    """503: not ready, too many queries wait, or posts cannot be stored."""


class DeadlineExceeded(ApiError):
    """504: the deadline (``timeout``) passed."""


class ServerError(ApiError):
    """Any other 5xx."""


class IngestError(TidewatchError):
    """Sending posts was given up; what was sent before stays sent.

    ``report`` tells of the posts that are accounted for: go on with the post ``next_index`` (from 0) of the input.
    """

    def __init__(self, message: str, report: IngestReport, next_index: int) -> None:
        super().__init__(message)
        self.report = report
        self.next_index = next_index


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    421: Forbidden,
    429: Busy,
    503: Unavailable,
    504: DeadlineExceeded,
}


def error_of(status: int, problem: Mapping[str, Any], retry_after: float | None) -> ApiError:
    """The exception for a status."""
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    return kind(status, problem, retry_after)
