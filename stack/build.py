"""Build a program from its Go module, showing how far it is, and put it into the cache whole or not at all."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stack import binary, toolchain
from stack.recipe import COLLECTOR_MANIFEST, Recipe

# One line of progress this often: a log stays short, and a person sees that it goes on.
PROGRESS_SECONDS = 15


class BuildError(Exception):
    """A program could not be built; the message ends with what the tool said last."""


def build(recipe: Recipe) -> Path:
    """Return the path of a program, building it first unless the cache has it. Minutes, when it has not.

    Raises:
        BuildError: It could not be built, or says that it is another version.
        FileNotFoundError: There is no Go.
    """
    target = binary.cache() / recipe.file_name
    with _lock(target):
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix=f"clew-{recipe.name}-") as directory:
                work = Path(directory)
                made = _collector(work) if recipe.name == "otelcol" else _module(recipe, work)
                _verify(recipe, made)
                _place(made, target)
    return target


def _module(recipe: Recipe, work: Path) -> Path:
    """Build a package of a module in a small main module of its own.

    `go install MODULE@VERSION` refuses a module that has `replace` lines, and a dependency's are not heeded: so
    they are repeated.
    """
    module, version = recipe.module.split("@")
    _say(recipe, f"downloading {recipe.module}")
    source = json.loads(_run(work, "mod", "download", "-json", recipe.module))
    said = json.loads(_run(work, "mod", "edit", "-json", source["GoMod"]))
    lines = [
        "module clew.invalid/build",
        f"go {said['Go']}",
        f"require {module} {version}",
        *_replaces(said, recipe.staging),
        *_excludes(said),
    ]
    (work / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")
    package, made = f"{module}/{recipe.package}", work / recipe.name
    total = len(_run(work, "list", "-deps", "-tags", recipe.tags, package).splitlines())
    version_flag = f"-X {recipe.version_symbol}={recipe.version}"
    _follow(
        recipe,
        work,
        ["build", "-v", "-tags", recipe.tags, "-ldflags", f"-s -w {version_flag}", "-o", str(made), package],
        total,
    )
    return made


def _replaces(module: dict[str, Any], staging: str = "") -> Iterator[str]:
    for replace in module.get("Replace") or ():
        old, new = replace["Old"], replace["New"]
        if new["Path"].startswith("."):
            # A folder of the source tree, which is published as a module too: mostly required at its version.
            if staging:
                yield f"replace {old['Path']} => {old['Path']} {staging}"
            continue
        yield f"replace {' '.join(filter(None, (old['Path'], old.get('Version'))))} => {new['Path']} {new['Version']}"


def _excludes(module: dict[str, Any]) -> Iterator[str]:
    for exclude in module.get("Exclude") or ():
        yield f"exclude {exclude['Path']} {exclude['Version']}"


def _collector(work: Path) -> Path:
    """Build a Collector with the components of the manifest: the Collector's own builder writes the sources."""
    recipe, manifest = binary.RECIPES["otelcol"], work / "manifest.yaml"
    head, components = COLLECTOR_MANIFEST.read_text(encoding="utf-8").split("\nextensions:", 1)
    completed = f"{head}\n  output_path: {work / 'out'}\n  go: {toolchain.go()}\nextensions:{components}"
    manifest.write_text(completed, encoding="utf-8")
    _say(recipe, "downloading the components")
    _run(work, "run", recipe.module, "--config", str(manifest), "--skip-compilation")
    total = len(_run(work / "out", "list", "-deps", ".").splitlines())
    _follow(
        recipe, work / "out", ["build", "-v", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", "otelcol", "."], total
    )
    return work / "out" / "otelcol"


def _run(work: Path, *arguments: str) -> str:
    done = subprocess.run(
        [toolchain.go(), *arguments], cwd=work, env=toolchain.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"go {' '.join(arguments)}:\n{done.stderr[-2000:]}")
    return done.stdout


def _follow(recipe: Recipe, work: Path, arguments: list[str], total: int) -> None:
    """Run go and tell now and then how many packages are compiled.

    Of `total` only those are compiled that Go's own cache lacks, so the count may end early.
    """
    started = told = time.monotonic()
    last: list[str] = []
    with subprocess.Popen(
        [toolchain.go(), *arguments],
        cwd=work,
        env=toolchain.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout  # noqa: S101 asked for above
        for count, line in enumerate(process.stdout, 1):
            last = [*last[-20:], line]
            if (now := time.monotonic()) - told > PROGRESS_SECONDS:
                told = now
                _say(recipe, f"{count} of at most {total} packages, {now - started:.0f} s")
    if process.returncode:
        raise BuildError(f"{recipe.name} {recipe.version}:\n{''.join(last)}")
    _say(recipe, f"built in {time.monotonic() - started:.0f} s")


def _verify(recipe: Recipe, made: Path) -> None:
    answer = subprocess.run([made, *recipe.version_flag.split()], capture_output=True, text=True, check=False)
    if recipe.version not in answer.stdout + answer.stderr:
        raise BuildError(f"{recipe.name} should be {recipe.version}, but says: {answer.stdout}{answer.stderr}")


def _place(made: Path, target: Path) -> None:
    # Copied beside its place first: what was built may lie on another file system, and a rename there is not atomic.
    beside = target.with_suffix(".new")
    beside.write_bytes(made.read_bytes())
    beside.chmod(0o755)
    os.replace(beside, target)  # noqa: PTH105 says what it does


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Let one process build a program at a time; another waits and then finds it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(recipe: Recipe, what: str) -> None:
    sys.stderr.write(f"{recipe.name} {recipe.version}: {what}\n")
    sys.stderr.flush()
