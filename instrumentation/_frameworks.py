"""Recognise the WSGI frameworks whose applications can be wrapped in place, without importing any."""

import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class Framework(NamedTuple):
    """A WSGI framework.

    Attributes:
        module: Where its application class is.
        name: Of that class.
        integration: Module with `is_wrapped(app)` and `wrap(app, around)`.
    """

    module: str
    name: str
    integration: str


WSGI_FRAMEWORKS = (
    Framework("flask", "Flask", "instrumentation.integrations.flask"),
    Framework("django.core.handlers.wsgi", "WSGIHandler", "instrumentation.integrations.django"),
)


def wsgi_framework(app: object) -> Any:
    """Return the integration that can wrap the application; None if there is none."""
    for framework in WSGI_FRAMEWORKS:
        kind = getattr(sys.modules.get(framework.module), framework.name, None)
        if kind is not None and isinstance(app, kind):
            return importlib.import_module(framework.integration)
    return None


def wrap_new_wsgi(framework: Framework, instrument: Callable[[object], None]) -> Callable[[], None]:
    """Call `instrument` with every application of the framework right after it is made; returns what undoes it."""
    kind: Any = getattr(sys.modules[framework.module], framework.name)
    original = kind.__init__

    def initialise(self: object, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        instrument(self)

    kind.__init__ = initialise

    def undo() -> None:
        kind.__init__ = original

    return undo
