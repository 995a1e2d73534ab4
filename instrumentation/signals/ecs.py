"""Render log records in the Elastic Common Schema."""

from collections.abc import Callable, Mapping

from instrumentation.context import Identity
from instrumentation.encode import ecs
from instrumentation.signals.log import Level


class EcsRender:
    """Renders a record as a line of ECS.

    Args:
        resource: Returns the process' resource, another mapping after a fork.
    """

    __slots__ = ("_identity", "_resource", "_seen")

    def __init__(self, resource: Callable[[], Mapping[str, object]]) -> None:
        self._resource = resource
        self._seen: Mapping[str, object] | None = None
        self._identity = ""

    def __call__(
        self,
        service_name: str,
        level: Level,
        logger: str,
        event: str,
        attributes: Mapping[str, object],
        parent: Identity | None,
        time_unix_ns: int,
    ) -> bytes:
        """Render a record; `service_name` is the resource's."""
        del service_name
        resource = self._resource()
        if resource is not self._seen:
            self._identity, self._seen = ecs.identity(resource), resource
        ids = ecs.ids(parent.trace_id, parent.span_id, parent.request_id) if parent is not None else ""
        return ecs.line(time_unix_ns, level.name, event, logger, self._identity, ids, ecs.fields(attributes))
