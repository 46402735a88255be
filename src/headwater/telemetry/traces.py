"""Traces by OpenTelemetry: one from a request at the door to the ledger's commit, joined by the `traceparent` that its records carry."""

from __future__ import annotations

import re
from collections.abc import Iterable

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AnyValue

# For how long a batch is tried again before it is dropped; a role that ends waits for that, and has seconds to end.
SENT_WITHIN_S = 3.0
# As a record has it: see `headwater.edge.http.request.Request.trace_id`. A quote within text is escaped, so text cannot look like this.
_CARRIED = re.compile(rb'"trace_id":"(00-[0-9a-f]{32}-[0-9a-f]{16}-01)"')
_PROPAGATOR = TraceContextTextMapPropagator()


class Traces:
    """Where one role's spans go. Sending is done beside the work, in batches; what cannot be sent is dropped with a log line."""

    def __init__(self, endpoint: str, sample_ratio: float, role: str) -> None:
        """*endpoint*: base URL of an OTLP/HTTP receiver. *sample_ratio*: share of the traces begun here that are kept."""
        resource = Resource.create({"service.name": "headwater", "service.instance.id": role})
        self._provider = TracerProvider(sampler=ParentBasedTraceIdRatio(sample_ratio), resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SENT_WITHIN_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("headwater")

    def begin(self, operation: str, traceparent: bytes | None, request_id: str) -> RequestSpan:
        """Begin a request's span, in the trace that the client's *traceparent* names if it sent one."""
        given = _context(traceparent.decode("latin-1")) if traceparent else Context()
        return RequestSpan(
            self._tracer.start_span(operation, given, SpanKind.SERVER, {"aws.request_id": request_id, "rpc.method": operation})
        )

    def moved(self, pipe: str, bodies: Iterable[bytes], read_ns: int, committed_ns: int) -> int:
        """Record for each traced request with records among *bodies* that a pipe read and committed them (epoch ns); return how many."""
        carried: dict[bytes, int] = {}
        for body in bodies:
            if (found := _CARRIED.search(body)) is not None:
                carried[found[1]] = carried.get(found[1], 0) + 1
        for traceparent, records in carried.items():
            attributes: dict[str, AnyValue] = {"headwater.pipe": pipe, "headwater.records": records}
            span = self._tracer.start_span(
                f"pipe {pipe}", _context(traceparent.decode()), SpanKind.CONSUMER, attributes, start_time=read_ns
            )
            span.end(committed_ns)
        return len(carried)

    def close(self) -> None:
        """Send what waits, within some seconds, and stop."""
        self._provider.shutdown()


class RequestSpan:
    """One request in a trace; `traceparent` is empty if nobody will see the trace."""

    def __init__(self, span: Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01" if span.is_recording() else ""

    def end(self, status: int) -> None:
        """Say how it was answered."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _context(traceparent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent}, Context())
