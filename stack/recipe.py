"""What is built from which Go module, at which version."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

# Contrib's newest release of which all components that are used here resolve as modules.
COLLECTOR_VERSION = "0.159.0"
PROMETHEUS_VERSION = "3.15.1"
LOKI_VERSION = "3.7.8"
TEMPO_VERSION = "3.0.3"
GRAFANA_VERSION = "13.2.3"
KUBERNETES_VERSION = "v1.37.2"
CONTROLLER_TOOLS_VERSION = "v0.23.0"

COLLECTOR_MANIFEST = Path(__file__).with_name("collector-components.yaml")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one program is built.

    Attributes:
        name: The program's name, and its file's in the cache.
        version: What it must say of itself when it is asked for its version.
        module: The Go module that holds it, with the module's version.
        package: Path of its main package inside the module.
        version_symbol: Go variable that holds the version.
        version_flag: Flag that prints it.
        suffix: Told apart from other builds of the same version by it.
        tags: Build tags, separated by commas.
        staging: Version of the modules that lie in the module's own tree and that it asks for as v0.0.0.
    """

    name: str
    version: str
    module: str
    package: str
    version_symbol: str
    version_flag: str = "--version"
    suffix: str = ""
    tags: str = ""
    staging: str = ""

    @property
    def file_name(self) -> str:
        """Return the name of its file in the cache."""
        return f"{self.name}-{self.version}{self.suffix}"


def _prometheus(name: str) -> Recipe:
    # Prometheus 3.x.y is module version v0.3xx.y: the module path has no /v3.
    major, minor, patch = PROMETHEUS_VERSION.split(".")
    module = f"github.com/prometheus/prometheus@v0.{major}{minor:0>2}.{patch}"
    return Recipe(
        name,
        PROMETHEUS_VERSION,
        module,
        f"cmd/{name}",
        "github.com/prometheus/common/version.Version",
        # Without the service discoveries of some twenty clouds: a third of the time to build.
        tags="remove_all_sd,enable_dns_sd,enable_kubernetes_sd",
    )


def _collector() -> Recipe:
    digest = hashlib.sha256(COLLECTOR_MANIFEST.read_bytes()).hexdigest()[:8]
    builder = f"go.opentelemetry.io/collector/cmd/builder@v{COLLECTOR_VERSION}"
    return Recipe("otelcol", COLLECTOR_VERSION, builder, "", "", suffix=f"-{digest}")


def _kubernetes(name: str, version_flag: str) -> Recipe:
    # The libraries of Kubernetes v1.x.y are modules of version v0.x.y.
    return Recipe(
        name,
        KUBERNETES_VERSION,
        f"k8s.io/kubernetes@{KUBERNETES_VERSION}",
        f"cmd/{name}",
        "k8s.io/component-base/version.gitVersion",
        version_flag,
        staging=KUBERNETES_VERSION.replace("v1.", "v0."),
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        _collector(),
        _prometheus("prometheus"),
        _prometheus("promtool"),
        Recipe(
            "loki",
            LOKI_VERSION,
            f"github.com/grafana/loki/v3@v{LOKI_VERSION}",
            "cmd/loki",
            "github.com/grafana/loki/v3/pkg/util/build.Version",
            "-version",
        ),
        _kubernetes("kube-apiserver", "--version"),
        _kubernetes("kubectl", "version --client"),
        Recipe(
            "controller-gen",
            CONTROLLER_TOOLS_VERSION,
            f"sigs.k8s.io/controller-tools@{CONTROLLER_TOOLS_VERSION}",
            "cmd/controller-gen",
            "sigs.k8s.io/controller-tools/pkg/version.version",
        ),
    )
}

BACKENDS = ("otelcol", "prometheus", "promtool", "loki")
"""What the shop sends to and who judges it; what is built unless something else is asked for."""
