"""A metric as the kit emits it, under the name that Prometheus gives it."""

from dataclasses import dataclass

from instrumentation.encode.family import Kind
from instrumentation.encode.prometheus_name import metric_name


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        otel: Its OpenTelemetry name.
        kind: Of the instrument.
        unit: As UCUM writes it.
    """

    otel: str
    kind: Kind
    unit: str

    @property
    def name(self) -> str:
        """The Prometheus name; of a histogram the part before `_bucket`."""
        return metric_name(self.otel, self.kind, self.unit)

    @property
    def count(self) -> str:
        """The series that counts a histogram's observations."""
        return f"{self.name}_count"

    @property
    def sum(self) -> str:
        """The series that adds a histogram's observations up."""
        return f"{self.name}_sum"

    @property
    def bucket(self) -> str:
        """The series of a histogram's buckets, which carry the exemplars."""
        return f"{self.name}_bucket"
