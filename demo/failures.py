"""What goes wrong inside the shop: a request that cannot be served, and how its span and its answer tell.

Each failure carries the HTTP status it is answered with and an ``error_type``, as the semantic conventions
have it: the name of what happened, never a text with numbers in it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue


class RequestFailed(Exception):
    """A request that ends in an error."""

    status = 500

    def __init__(self, message: str, error_type: str | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type or type(self).__name__


class PoolExhausted(RequestFailed):
    """No worker is free and too many wait for one already."""

    status = 503


class UpstreamFailed(RequestFailed):
    """Somebody this service called could not be reached, or answered with an error."""

    status = 502


class UpstreamTimeout(RequestFailed):
    """Somebody this service called did not answer in time."""

    status = 504


class SchemaValidationError(RequestFailed):
    """The model's answer does not have the form that was asked for."""

    status = 502


class UnknownOperation(RequestFailed):
    """Nobody here knows that operation."""

    status = 404


class BadRequest(RequestFailed):
    """What was sent is not what this operation needs."""

    status = 400


@contextmanager
def telling_span(
    tracer: Tracer,
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Iterator[Span]:
    """A span that tells of the failure it ends in, by ``record_failure``."""
    with tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except RequestFailed as failure:
            record_failure(span, failure)
            raise


def record_failure(span: Span, failure: RequestFailed) -> None:
    """Write a failure into a span: status, ``error.type`` and the exception event."""
    text = str(failure)
    span.set_status(Status(StatusCode.ERROR, text))
    span.set_attribute("error.type", failure.error_type)
    span.add_event("exception", {"exception.type": failure.error_type, "exception.message": text})
