"""What is installed, as importlib.metadata tells it."""

import sys
from importlib import metadata
from zipfile import ZipFile

import pytest

from instrumentation import installed

GROUPS = ("opentelemetry_instrumentor", "opentelemetry_propagator", "pytest11", "console_scripts")


def named(found):
    return {each.name: each for each in found}


def test_versions_are_those_of_the_standard_library():
    """Of everything installed here the version is found, by each spelling of the name."""
    expected = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    assert len(expected) > 50
    assert {name: installed.version(name) for name in expected} == expected
    assert installed.version("OpenTelemetry.API") == metadata.version("opentelemetry-api")
    assert installed.version("no-such-distribution") is None


@pytest.mark.parametrize("group", GROUPS)
def test_entry_points_are_those_of_the_standard_library(group):
    """Of each group the same entry points are found."""
    found = {(each.name, each.value) for one in installed.distributions() for each in one.entry_points(group)}
    assert found == {(each.name, each.value) for each in metadata.entry_points(group=group)} != set()


def test_packages_and_requirements_are_those_of_the_standard_library():
    """The modules that a distribution brings, and what it requires."""
    found = named(installed.distributions())
    for name in ("redis", "structlog", "opentelemetry-instrumentation-redis"):
        expected = metadata.distribution(name)
        ours = found[installed.normalised(name)]
        assert ours.fields("Requires-Dist") == expected.requires
        modules = {file.parts[0].removesuffix(".py") for file in expected.files if file.suffix == ".py"}
        assert set(ours.packages()) == modules


def test_the_first_on_the_path_counts(tmp_path, monkeypatch):
    """Of two distributions of one name the first on the path is told: it is the one that is imported."""
    for place, version in (("one", "1.0"), ("two", "2.0")):
        info = tmp_path / place / f"Twice.Named-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: Twice.Named\nVersion: {version}\n\nVersion: 9\n")
        (info / "entry_points.txt").write_text(
            "[other]\nno = x:y\n\n[group]\n# a comment\nname = package.module:thing\n"
        )
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / place)])
    assert installed.version("twice-named") == "1.0"
    found = installed.distribution("twice_named").entry_points("group")
    assert [(each.name, each.value) for each in found] == [("name", "package.module:thing")]


def test_archives_are_looked_into(tmp_path, monkeypatch):
    """What lies in an archive on the path is found too."""
    archive = tmp_path / "packages.zip"
    with ZipFile(archive, "w") as file:
        file.writestr("zipped-3.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 3.1\n")
        file.writestr("zipped-3.1.dist-info/entry_points.txt", "[group]\nname = zipped:thing\n")
    monkeypatch.syspath_prepend(archive)
    assert installed.version("zipped") == "3.1"
    assert installed.version("structlog") == metadata.version("structlog")
    found = [each.value for one in installed.distributions() for each in one.entry_points("group")]
    assert found == ["zipped:thing"]
