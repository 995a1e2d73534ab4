from collections.abc import Callable

import pytest
from shop.reliability.idempotency import IdempotencyKeys, KeyReusedError, fingerprint
from sqlalchemy import MetaData

metadata = MetaData()
keys = IdempotencyKeys(metadata, "test")


async def test_known_key_gets_the_first_answer(open_database: Callable):
    """Whoever claims a key again gets what was stored first, not what they bring."""
    database = await open_database(metadata)
    async with database.write() as connection:
        assert await keys.find(connection, "k", "f") is None
        assert await keys.claim(connection, "k", "f", "first") == "first"
        assert await keys.claim(connection, "k", "f", "second") == "first"
        assert await keys.find(connection, "k", "f") == "first"


async def test_key_of_another_request_is_refused(open_database: Callable):
    """The same key with other content raises and stores nothing."""
    database = await open_database(metadata)
    async with database.write() as connection:
        await keys.claim(connection, "k", "f", "first")
        with pytest.raises(KeyReusedError):
            await keys.claim(connection, "k", "other", "second")


def test_fingerprint_ignores_the_order_of_keys():
    """Equal content has an equal fingerprint, other content another."""
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1, "b": [1, 2]}) != fingerprint({"a": 1, "b": [2, 1]})
