"""Blocks give back exactly what came, through merging too."""

import pytest
from clew_console.store.columns import Sections, pack, shuffled, unshuffled
from clew_console.store.span_block import SpanBlock, SpanBuilder
from clew_console.store.span_scan import scan_spans
from clew_console.store.wire import prefixed


def _canonical(span):
    return span.SerializeToString(deterministic=True)


def test_spans_of_any_shape_come_back(span_builder, strange_spans):
    """Every field, also of spans with odd parents, ends before their starts and values of every type."""
    spans = strange_spans(1500)
    block = SpanBlock(span_builder(spans).encode())
    assert len(block) == 1500
    for position, span in enumerate(spans):
        assert _canonical(block.span(position)) == _canonical(span)
        assert position in block.positions_of(span.trace_id)
    assert block.positions_of(b"\x03" * 16) == []


def test_fields_may_come_in_any_order(in_any_order, strange_spans):
    """The Collector writes a span's fields in another order than the kit; all of them are kept."""
    spans = strange_spans(300)
    scope = b"".join(prefixed(b"\x12", in_any_order(span)) for span in spans)
    builder = SpanBuilder()
    scan_spans(prefixed(b"\x0a", prefixed(b"\x12", scope)), lambda *_: (1, 2), builder, lambda: builder)
    block = SpanBlock(builder.encode())
    assert [_canonical(block.span(n)) for n in range(300)] == [_canonical(span) for span in spans]


def test_merged_blocks_hold_the_same(span_builder, strange_spans):
    """Two blocks copied into one hold the spans of both in their order."""
    spans, merged = strange_spans(300), SpanBuilder()
    for part in (spans[:100], spans[100:]):
        SpanBlock(span_builder(part).encode()).copy_to(merged)
    block = SpanBlock(merged.encode())
    assert [_canonical(block.span(n)) for n in range(300)] == [_canonical(span) for span in spans]


def test_numbers_are_shuffled_without_loss():
    """64 bit numbers survive being stored by their bytes."""
    numbers = [0, 1, 255, 256, (1 << 64) - 1, 1 << 63]
    assert list(unshuffled(shuffled(numbers))) == numbers


def test_a_damaged_blob_is_refused(monkeypatch):
    """A cut or a bomb is an error, not a wrong answer."""
    blob = pack([b"x" * 100_000, b"abc"])
    assert (Sections(blob)[0], Sections(blob)[1]) == (b"x" * 100_000, b"abc")
    with pytest.raises(ValueError, match="cut short"):
        Sections(blob[:-1])
    monkeypatch.setattr(Sections, "MAX_SECTION_BYTES", 1000)
    with pytest.raises(ValueError, match="too large"):
        Sections(blob)[0]
