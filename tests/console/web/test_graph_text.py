"""The texts of a map's edges keep clear of each other and of the boxes."""

from itertools import combinations

from clew_console.web.graph_curve import Curve, Grid
from clew_console.web.graph_text import CHARACTER_WIDTH, TEXT_HEIGHT, Box, text_places

GRID = Grid(width=148, height=34, column=196, row=104)


def test_texts_of_crossing_curves_stand_apart():
    """Edges that begin or end at one box, or cross, have texts that cover neither each other nor a box."""
    boxes = [Box(100.0 + 196 * column, 40.0 + 104 * row, 148, 34) for column in range(3) for row in range(3)]
    places = {(column, row): (100.0 + 196 * column, 40.0 + 104 * row) for column in range(3) for row in range(3)}
    ends = [((1, 0), (0, 1)), ((1, 0), (1, 1)), ((1, 0), (2, 1)), ((1, 0), (1, 2)), ((0, 1), (1, 2)), ((2, 1), (1, 2))]
    texts = [(GRID.down(places[source], places[target]), "3.1/s · 58.9 ms") for source, target in ends]
    found = [Box(x, y, CHARACTER_WIDTH * len(texts[0][1]), TEXT_HEIGHT) for x, y in text_places(texts, boxes)]
    assert not [pair for pair in combinations(found, 2) if pair[0].overlaps(pair[1])]
    assert not [(text, box) for text in found for box in boxes if text.overlaps(box)]


def test_a_text_stands_on_its_curve():
    """Alone it stands in the middle of the way."""
    curve = Curve((0, 0), (0, 50), (100, 50), (100, 100))
    assert curve.at(0) == (0, 0)
    assert curve.at(1) == (100, 100)
    assert text_places([(curve, "1/s")], []) == [(50.0, 50.0)]


def test_an_edge_upwards_goes_around():
    """It leaves and enters at the right side, or above where another box stands on the right."""
    free = GRID.up((100, 248), (100, 40), 300, leaves_above=False, enters_above=False)
    assert (free.start, free.end) == ((174, 248), (179, 40))
    over = GRID.up((100, 248), (100, 40), 300, leaves_above=True, enters_above=True)
    assert over.start[1] == 248 - 17
    assert over.end[1] == 40 - 17 - GRID.arrow
    assert over.path.startswith("M160.0 231.0C300.0 ")
