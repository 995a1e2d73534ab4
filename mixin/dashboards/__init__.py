"""The dashboards, one a file; each has a `BOARD`."""

from mixin.board import Board
from mixin.dashboards import messaging, overview, runtime, service, slo, telemetry

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    service.BOARD,
    runtime.BOARD,
    messaging.BOARD,
    slo.BOARD,
    telemetry.BOARD,
)
