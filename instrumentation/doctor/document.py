"""YAML documents, and values in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast


def parse(text: str) -> Mapping[str, Any]:
    """Return a document that is a mapping.

    Raises:
        ValueError: It is not YAML, or no mapping.
    """
    import yaml  # noqa: PLC0415 only the doctor needs it

    try:
        loaded: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(loaded, Mapping):
        raise ValueError("not a mapping")  # noqa: TRY004 what is wrong is the text
    return cast("Mapping[str, Any]", loaded)


def load(path: Path) -> Mapping[str, Any]:
    """Return the document of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: As parse.
    """
    return parse(path.read_text(encoding="utf-8"))


def get(node: object, *path: str) -> Any:
    """Return the value at a path of keys; None if there is none."""
    for key in path:
        node = cast("Mapping[str, Any]", node).get(key) if isinstance(node, Mapping) else None
    return node
