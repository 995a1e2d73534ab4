"""The dashboards, one a file; each has a `BOARD`."""

from mixin.board import Board
from mixin.dashboards import canary, database, messaging, overview, patterns, runtime, service, slo, telemetry

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    service.BOARD,
    runtime.BOARD,
    database.BOARD,
    messaging.BOARD,
    patterns.BOARD,
    canary.BOARD,
    slo.BOARD,
    telemetry.BOARD,
)
