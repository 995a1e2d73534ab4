"""The commands `clew console export` and `clew console import`."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from clew_console.exchange.export import file_name
from clew_console.exchange.format import RunDecoder, RunFileError
from clew_console.options import data_default
from clew_console.progress import Progress
from clew_console.remote import Remote, RemoteError
from clew_console.shelf import LocalShelf, Shelf
from clew_console.store.runs import ADDRESS, Run, RunError
from clew_console.store.segment import SegmentError

PIECE_BYTES = 256 << 10


def main(arguments: Sequence[str]) -> int:
    """Export or import, and return the exit code: 1 with the reason on stderr when it could not be done."""
    asked = _parser().parse_args(arguments)
    try:
        with _shelf(asked) as shelf:
            (_export if asked.command == "export" else _import)(asked, shelf)
    except (RunError, RunFileError, RemoteError, SegmentError) as error:
        sys.stderr.write(f"clew console {asked.command}: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"clew console {asked.command}: {error.filename or 'cannot'}: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was kept of it\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clew console", description="Move runs to and from files.")
    commands = parser.add_subparsers(dest="command", required=True)
    about = "Write a run to one compressed, checksummed file, from a running console or from its data."
    export = commands.add_parser("export", help="write a run to a file", description=about)
    export.add_argument("run", nargs="?", default="", metavar="RUN", help="its name or id (default: the newest)")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: the run's name with .clew")
    export.add_argument("-f", "--force", action="store_true", help="write over a file that is there")
    about = "Read files that `clew console export` or `pytest --clew-record` wrote; each becomes a run."
    importing = commands.add_parser("import", help="read runs from files", description=about)
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE")
    importing.add_argument("--name", default="", help="what to call it here (default: as the file has it)")
    for command in (export, importing):
        data = data_default(os.environ)
        command.add_argument("--data", type=Path, default=Path(data), metavar="DIR", help="default: %(default)s")
        about = "of a running console (default: the one that holds the data directory, if any)"
        command.add_argument("--url", default="", help=about)
        command.add_argument("--token", default=os.environ.get("CLEW_CONSOLE_TOKEN", ""), help="of that console")
    return parser


def _shelf(asked: argparse.Namespace) -> AbstractContextManager[Shelf]:
    """Return the running console, or the data directory if none holds it."""
    if asked.url:
        return Remote(asked.url, asked.token)
    if asked.command == "export" and not asked.data.is_dir():
        raise RunError(f"there is no data directory {asked.data}; name it with --data, or the console with --url")
    try:
        return LocalShelf(asked.data)
    except SegmentError:
        address = asked.data / ADDRESS
        if not address.exists():
            raise
        return Remote(address.read_text(encoding="utf-8").strip(), asked.token)


def _export(asked: argparse.Namespace, shelf: Shelf) -> None:
    run = _chosen(asked.run, shelf.runs())
    output = asked.output or Path(file_name(run))
    if output.exists() and not asked.force:
        raise RunError(f"{output} is there already; choose another with -o, or write over it with --force")
    partial = output.with_name(f"{output.name}.part")
    try:
        with partial.open("wb") as file, Progress(f"exporting {run.name or 'what has no name'}") as progress:
            for piece in shelf.export(run):
                file.write(piece)
                progress.add(len(piece))
        records = check_file(partial)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    sys.stdout.write(f"{output}: {records} records, {output.stat().st_size} bytes\n")


def _chosen(text: str, runs: Sequence[Run]) -> Run:
    if not runs:
        raise RunError("nothing has been recorded here")
    found = [run for run in runs if text in {run.id, run.name}] if text else runs
    if not found:
        names = ", ".join(repr(run.name or run.id) for run in runs[:10])
        raise RunError(f"there is no run {text!r}; there are {names}")
    return found[0]


def check_file(path: Path) -> int:
    """Read a file that was written; return its number of records.

    Raises:
        RunFileError: it is damaged.
    """
    decoder, records = RunDecoder(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            records += sum(frame.records for frame in decoder.feed(piece))
    decoder.finish()
    return records


def _import(asked: argparse.Namespace, shelf: Shelf) -> None:
    for path in asked.files:
        with path.open("rb") as file, Progress(f"importing {path}", path.stat().st_size) as progress:
            try:
                where = shelf.add(_read(file, progress), asked.name, path.stat().st_size)
            except RunFileError as error:
                raise RunFileError(f"{path} was not imported: {error}") from error
            except RunError as error:
                raise RunError(f"{path}: {error}") from error
        sys.stdout.write(f"{path}: {where}\n")


def _read(file: BinaryIO, progress: Progress) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece
        progress.add(len(piece))
