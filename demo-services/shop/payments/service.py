"""The gRPC face of payments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from shop.contracts import payments_pb2 as pb
from shop.contracts import payments_pb2_grpc

if TYPE_CHECKING:
    from shop.payments.till import Till

_STATUS = {
    "charged": pb.PAYMENT_STATUS_CHARGED,
    "declined": pb.PAYMENT_STATUS_DECLINED,
    "refunded": pb.PAYMENT_STATUS_REFUNDED,
    "voided": pb.PAYMENT_STATUS_VOIDED,
}


class PaymentsServicer(payments_pb2_grpc.PaymentsServicer):
    """Answers GetPayment."""

    def __init__(self, till: Till) -> None:
        self._till = till

    async def GetPayment(  # noqa: N802 - the contract's name
        self, request: pb.GetPaymentRequest, context: grpc.aio.ServicerContext
    ) -> pb.Payment:
        """Tell what became of the money of an order."""
        payment = await self._till.get(request.order_id)
        if payment is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no payment for order {request.order_id!r}")
        return pb.Payment(order_id=payment.order_id, status=_STATUS[payment.status], amount_cents=payment.amount_cents)
