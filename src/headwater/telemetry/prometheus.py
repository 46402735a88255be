"""Families of metrics in the text format that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from headwater.telemetry.metrics import Family

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition(families: Iterable[Family]) -> bytes:
    """Return all families as text, in order; a family without samples still shows its name and what it means."""
    registry = CollectorRegistry()
    registry.register(_Given(families))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return map(_metric, self._families)


def _metric(family: Family) -> Metric:
    names = list(family.samples[0].labels) if family.samples else []
    values = [(list(sample.labels.values()), sample) for sample in family.samples]
    if family.kind == "histogram":
        distribution = HistogramMetricFamily(family.name, family.help, labels=names)
        for labels, sample in values:
            distribution.add_metric(labels, sample.buckets, sample.value)
        return distribution
    single = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(family.name, family.help, labels=names)
    for labels, sample in values:
        single.add_metric(labels, sample.value)
    return single
