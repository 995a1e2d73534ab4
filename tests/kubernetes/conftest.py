"""Each build of kubernetes/: the base, and every overlay."""

import manifests
import pytest

from stack.binary import MissingBinaryError


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
