"""What a URL of Kafka may say. What is done with it: tests/brokers."""

import pytest
from shop.reliability.stream import Stream


def test_the_url_says_how_topics_are_made():
    """Partitions and copies of topics are options of the URL; without any, one broker is enough."""
    made = Stream("kafka://a:9092,b:9092?partitions=48&replicas=3", "orders").wire.subscriber("orders.created").topics
    assert [(topic.name, topic.num_partitions, topic.replication_factor) for topic in made] == [
        ("orders.created", 48, 3)
    ]
    (usual,) = Stream("kafka://a:9092", "orders").wire.subscriber("orders.created").topics
    assert (usual.num_partitions, usual.replication_factor) == (4, 1)


@pytest.mark.parametrize("query", ["partition=3", "partitions=many"])
def test_an_option_that_there_is_not_is_refused(query):
    """What is misspelt or no number is refused before anything is connected to."""
    with pytest.raises(ValueError, match=r"partition"):
        Stream(f"kafka://a:9092?{query}", "orders")
