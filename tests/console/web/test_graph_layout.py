"""The layers of the map."""

from clew_console.web.graph_layout import layers


def test_callers_stand_above_those_they_call():
    """A node is below everything that leads to it, by the longest way."""
    assert layers(list("abcd"), [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")]) == [["a"], ["b"], ["c"], ["d"]]


def test_a_circle_is_cut_where_it_comes_back():
    """A saga's answers go up again; its first caller stays on top."""
    edges = [("gateway", "orders"), ("orders", "q"), ("q", "payments"), ("payments", "r"), ("r", "orders")]
    assert layers(["gateway", "orders", "payments", "q", "r"], edges) == [
        ["gateway"],
        ["orders"],
        ["q"],
        ["payments"],
        ["r"],
    ]


def test_a_node_that_calls_itself_and_a_lone_circle_are_placed():
    """Every node has one place, whatever the edges."""
    found = layers(list("abc"), [("a", "a"), ("b", "c"), ("c", "b")])
    assert sorted(node for row in found for node in row) == list("abc")
