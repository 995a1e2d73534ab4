"""Generate the gRPC stubs from `demo-services/protos`, or check that the committed ones are current.

`python -m shop.contracts.generate` writes, `--check` only compares and exits 1 on drift. Needs grpcio-tools.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

_CONTRACTS = Path(__file__).resolve().parent
_PACKAGE_ROOT = _CONTRACTS.parents[1]
_PROTOS = _PACKAGE_ROOT / "protos"


def generate(target: Path) -> list[Path]:
    """Write stubs of every .proto below `target` as package `shop.contracts` and return their paths.

    Raises:
        RuntimeError: protoc refused a file; its message is on stderr.
    """
    from grpc_tools import protoc  # pyright: ignore[reportMissingTypeStubs]  # noqa: PLC0415 - a tool of development

    names = sorted(path.name for path in _PROTOS.glob("*.proto"))
    arguments = [
        "protoc",
        f"--proto_path=shop/contracts={_PROTOS}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        f"--grpc_python_out={target}",
        *(f"shop/contracts/{name}" for name in names),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed on demo-services/protos")
    return sorted((target / "shop" / "contracts").glob("*_pb2*"))


def drifted() -> list[str]:
    """Return the names of stubs that are missing, stale or left over from a removed .proto."""
    with tempfile.TemporaryDirectory() as directory:
        fresh = {path.name: path.read_bytes() for path in generate(Path(directory))}
    committed = {path.name: path.read_bytes() for path in _CONTRACTS.glob("*_pb2*")}
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m shop.contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a stub is stale")
    if not parser.parse_args(argv).check:
        generate(_PACKAGE_ROOT)
        return 0
    stale = drifted()
    if stale:
        sys.stderr.write(f"stale stubs: {', '.join(stale)}; run `python -m shop.contracts.generate`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
