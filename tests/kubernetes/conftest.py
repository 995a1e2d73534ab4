"""Each build of kubernetes/: the base, and every overlay."""

import manifests
import pytest

from stack.api_server import ApiServer
from stack.binary import MissingBinaryError
from stack.custom_resources import definitions


@pytest.fixture(params=manifests.BUILDS)
def built(request):
    """The manifests of one build."""
    return of(request.param)


@pytest.fixture
def build():
    """Return the manifests of a build by its name."""
    return of


def of(folder):
    """Build a folder; where nothing can, the test is left out and says why."""
    try:
        return manifests.build(folder)
    except MissingBinaryError as error:
        pytest.skip(f"no kubectl to build kubernetes/{folder} with: {error}")


@pytest.fixture(scope="session")
def api_server(tmp_path_factory):
    """An API server with the definitions of the custom resources; its namespace `shop` is there, and empty."""
    with ApiServer(tmp_path_factory.mktemp("api-server")) as server:
        for path in definitions():
            created = server.kubectl("create", "--filename", path)
            assert created.returncode == 0, created.stderr
        names = [f"crd/{name}" for name in server.kubectl("get", "crd", "--output=name").stdout.split()]
        assert len(names) == len(definitions())
        every = server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        assert every.returncode == 0, every.stderr
        applied = server.kubectl("apply", "--filename", manifests.KUBERNETES / "base/namespace.yaml")
        assert applied.returncode == 0, applied.stderr
        # What a cluster's controllers would make, and pods are not admitted without.
        server.kubectl("--namespace=shop", "create", "serviceaccount", "default")
        yield server
