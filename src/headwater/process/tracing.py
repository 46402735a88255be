"""Opening a role's traces, if the project wants any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.errors import SettingsError
from headwater.settings import Settings

if TYPE_CHECKING:
    from headwater.telemetry.traces import Traces


def open_traces(settings: Settings, role: str) -> Traces | None:
    """Return where the spans of *role* go, None if nobody wants them. Raises `SettingsError` where OpenTelemetry is not installed."""
    endpoint = settings.telemetry.otlp_endpoint
    if not endpoint:
        return None
    try:
        from headwater.telemetry.traces import Traces
    except ImportError as error:
        raise SettingsError(
            f"telemetry.otlp_endpoint is {endpoint}, which needs OpenTelemetry: "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        ) from error
    return Traces(endpoint, settings.telemetry.sample_ratio, role)
