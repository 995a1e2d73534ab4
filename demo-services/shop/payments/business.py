"""What payments measures of its business: declared here, and nowhere else."""

from instrumentation import BusinessMetrics

_metrics = BusinessMetrics("shop.payments")

charges = _metrics.counter(
    "shop.payments.decided",
    unit="{payment}",
    description="Payments by outcome.",
    labels={"outcome": ("charged", "declined", "refunded", "voided")},
)
