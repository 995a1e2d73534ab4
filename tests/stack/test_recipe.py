"""What is built from which module."""

import pytest

from stack.recipe import BACKENDS, RECIPES


@pytest.mark.parametrize("name", ["prometheus", "promtool"])
def test_prometheus_s_module_version_is_derived(name):
    """Prometheus 3.15.1 is module version v0.315.1, which its module path, without /v3, asks for."""
    recipe = RECIPES[name]
    assert (recipe.version, recipe.module) == ("3.15.1", "github.com/prometheus/prometheus@v0.315.1")


def test_another_list_of_components_is_another_file():
    """The Collector's file has a digest of its components in its name, so that a changed list is built anew."""
    assert RECIPES["otelcol"].file_name.startswith("otelcol-0.159.0-")
    assert RECIPES["loki"].file_name == "loki-3.7.8"


def test_kubernetes_libraries_have_a_version_of_their_own():
    """The libraries in the tree of Kubernetes v1.37.2 are modules of version v0.37.2, and built only when asked for."""
    recipe = RECIPES["kube-apiserver"]
    assert (recipe.module, recipe.staging) == ("k8s.io/kubernetes@v1.37.2", "v0.37.2")
    assert recipe.name not in BACKENDS
