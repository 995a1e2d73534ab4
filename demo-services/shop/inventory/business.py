"""What inventory measures of its business: declared here, and nowhere else."""

from instrumentation import BusinessMetrics
from shop.inventory.tables import CATALOGUE

_metrics = BusinessMetrics("shop.inventory")

decided = _metrics.counter(
    "shop.inventory.reservations",
    unit="{order}",
    description="Orders whose stock was decided on, by outcome.",
    labels={"outcome": ("reserved", "rejected")},
)
stock = _metrics.gauge(
    "shop.inventory.stock",
    unit="{piece}",
    description="Pieces that can be ordered, by product.",
    labels={"sku": [sku for sku, _, _ in CATALOGUE]},
)
