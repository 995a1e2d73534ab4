"""Definitions of the custom resources that kubernetes/ uses, from the Go modules of those who define them."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from stack import binary, toolchain
from stack.build import BuildError

GATEWAY_API = "sigs.k8s.io/gateway-api@v1.6.3"
"""Its module has the definitions as files."""
GATEWAY_KINDS = ("gatewayclasses", "gateways", "httproutes")

PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring@v0.95.2"
"""Its module has the types as Go, from which controller-gen makes the definitions, as the operator's own build does."""
MONITORING_KINDS = ("prometheusrules", "servicemonitors")


def definitions() -> list[Path]:
    """Return the files of all definitions; those that are made are kept in the cache.

    Raises:
        BuildError: A module cannot be had.
        FileNotFoundError: There is no Go.
        MissingBinaryError: controller-gen is not built.
    """
    folder = Path(_downloaded(GATEWAY_API)["Dir"]) / "config/crd/standard"
    found = [folder / f"gateway.networking.k8s.io_{kind}.yaml" for kind in GATEWAY_KINDS]
    return found + [_monitoring() / f"monitoring.coreos.com_{kind}.yaml" for kind in MONITORING_KINDS]


def _monitoring() -> Path:
    module, version = PROMETHEUS_OPERATOR.split("@")
    made = binary.cache().parent / "definitions" / f"monitoring-{version}"
    if not made.exists():
        said = json.loads(_go(Path.cwd(), "mod", "edit", "-json", _downloaded(PROMETHEUS_OPERATOR)["GoMod"]))
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="clew-definitions-", dir=made.parent) as directory:
            work = Path(directory)
            lines = ("module clew.invalid/definitions", f"go {said['Go']}", f"require {module} {version}")
            (work / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")
            (work / "types.go").write_text(f'package definitions\n\nimport _ "{module}/v1"\n', encoding="utf-8")
            _go(work, "mod", "tidy")
            options = ("crd:crdVersions=v1,allowDangerousTypes=true,maxDescLen=0", f"paths={module}/v1")
            _run(work, [str(binary.find("controller-gen")), *options, "output:dir=made"])
            (work / "made").rename(made)
    return made


def _downloaded(module: str) -> dict[str, str]:
    return json.loads(_go(Path.cwd(), "mod", "download", "-json", module))


def _go(work: Path, *arguments: str) -> str:
    return _run(work, [str(toolchain.go()), *arguments])


def _run(work: Path, command: list[str]) -> str:
    # controller-gen asks the first `go` on PATH about packages.
    environment = toolchain.environment()
    environment["PATH"] = f"{toolchain.go().parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}:\n{done.stderr[-2000:]}")
    return done.stdout
