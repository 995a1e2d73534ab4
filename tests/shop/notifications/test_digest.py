from collections.abc import Callable

from shop.contracts.events import OrderConfirmed
from shop.notifications.digest import Digest
from shop.notifications.tables import metadata


def event(number: int) -> OrderConfirmed:
    return OrderConfirmed(event_id=f"e{number}", order_id=f"o{number}", customer_id="ann", total_cents=100)


async def test_a_batch_is_counted_once(open_database: Callable):
    """A batch that comes again, whole or in part, adds only what is new."""
    digest = Digest(await open_database(metadata))
    assert await digest.today() == (0, 0)
    await digest.add([event(1), event(2)])
    await digest.add([event(2), event(3)])
    assert await digest.today() == (3, 300)
