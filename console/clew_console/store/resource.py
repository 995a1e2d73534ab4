"""What a Resource says about its emitter."""

import hashlib
import re
from dataclasses import dataclass

from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from clew_console.store.value import Value, plain_text, python_attributes

UNKNOWN_SERVICE = "unknown_service"

_NOT_LABEL = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One stored Resource, decoded."""

    id: int
    service: str
    schema_url: str
    encoded: bytes
    attributes: dict[str, Value]

    def labels(self) -> dict[str, str]:
        """Return the attributes as Loki's index labels: names with underscores, values as text."""
        found = {label_name(key): plain_text(value) for key, value in self.attributes.items()}
        return found | {"service_name": self.service}


def resource_row(row: tuple[int, str, str, bytes]) -> ResourceRow:
    """Decode a row of the table `resource`: id, service, schema_url, encoded."""
    identity, service, schema_url, encoded = row
    return ResourceRow(
        identity, service, schema_url, encoded, python_attributes(Resource.FromString(encoded).attributes)
    )


def service_name(resource: Resource) -> str:
    """Return `service.name`, or what the specification puts in its place."""
    for attribute in resource.attributes:
        if attribute.key == "service.name":
            return plain_text(python_attributes([attribute])["service.name"]) or UNKNOWN_SERVICE
    return UNKNOWN_SERVICE


def digest(*parts: bytes | str) -> bytes:
    """Return 16 bytes that identify the parts in their order."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        state.update(len(encoded).to_bytes(8, "big") + encoded)
    return state.digest()


def label_name(key: str) -> str:
    """Return the attribute key as Loki's OTLP endpoint names its label."""
    name = _NOT_LABEL.sub("_", key)
    return f"key_{name}" if name[:1].isdigit() else name
