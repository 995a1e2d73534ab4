"""Limits of the container, from control groups as the kernel lays them out, and from those of this machine."""

from pathlib import Path

import pytest

from instrumentation.integrations.container import Container, ContainerMetrics, Memory
from instrumentation.signals.metric import MetricStore

MIB = 1 << 20


@pytest.fixture
def make(tmp_path):
    """Lay out files below a control group root; return the container that they describe."""

    def lay_out(membership, **files):
        for name, content in files.items():
            path = tmp_path / "cgroup" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        (tmp_path / "membership").write_text(membership)
        return Container(tmp_path / "cgroup", tmp_path / "membership")

    return lay_out


def test_version_2(make):
    """The least limit of the group and its parents counts, with that group's own use."""
    container = make(
        "0::/pods/one\n",
        pods__one__memory_dot_max="max",
        pods__one__memory_dot_current=str(90 * MIB),
        pods__memory_dot_max=str(200 * MIB),
        pods__memory_dot_current=str(150 * MIB),
        pods__memory_dot_stat=f"anon 1\ninactive_file {30 * MIB}",
        pods__one__cpu_dot_max="150000 100000",
    )
    assert container.memory() == Memory(120 * MIB, 200 * MIB)
    assert container.cpus() == 1.5


def test_version_1(make):
    """Version 1 has a tree for each controller; a group whose path cannot be seen is the root's."""
    container = make(
        "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n",
        memory__memory_dot_limit_in_bytes=str(100 * MIB),
        memory__memory_dot_usage_in_bytes=str(60 * MIB),
        memory__memory_dot_stat=f"total_inactive_file {10 * MIB}",
        cpu__cpu_dot_cfs_quota_us="200000",
        cpu__cpu_dot_cfs_period_us="100000",
    )
    assert container.memory() == Memory(50 * MIB, 100 * MIB)
    assert container.cpus() == 2


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/\n", {"memory_dot_max": "max", "cpu_dot_max": "max 100000"}),
        ("4:memory:/\n", {"memory__memory_dot_limit_in_bytes": "9223372036854771712"}),
        ("4:cpu:/\n", {"cpu__cpu_dot_cfs_quota_us": "-1", "cpu__cpu_dot_cfs_period_us": "100000"}),
        ("", {}),
    ],
)
def test_without_a_limit_nothing_is_told(make, membership, files):
    """No limit, in whichever words, gives no metric."""
    store = MetricStore()
    metrics = ContainerMetrics(store, make(membership, **files))
    assert store.snapshot() == []
    metrics.undo()


def test_ratio_is_the_working_set_s_share(make):
    """The metrics are use, limit and their ratio; after undo none is left."""
    container = make("0::/\n", memory_dot_max=str(80 * MIB), memory_dot_current=str(20 * MIB))
    store = MetricStore()
    metrics = ContainerMetrics(store, container)
    assert {family.name: family.points[0].value for family in store.snapshot()} == {
        "container.memory.working_set": 20 * MIB,
        "container.memory.limit": 80 * MIB,
        "container.memory.utilization": 0.25,
    }
    metrics.undo()
    assert store.snapshot() == []


def test_this_machine_s_own_groups_can_be_read():
    """What the kernel says here is either no limit or a use below it."""
    memory = Container().memory()
    assert memory is None or 0 <= memory.working_set <= memory.limit
    assert Path("/proc/self/cgroup").exists() or memory is None
