"""Memory that is available: the least of what the system, the control groups and the limits leave."""

import os
import subprocess
import sys

import pytest

from marigold.core import memory
from marigold.core.errors import ConfigError
from marigold.core.memory import available_bytes, require_memory

GB = 1 << 30


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A system of files: 8 GB available, no groups."""
    folders = {"_PROC": tmp_path / "proc", "_GROUPS": tmp_path / "groups"}
    for name, folder in folders.items():
        monkeypatch.setattr(memory, name, folder)
    moved = [(folders["_GROUPS"] / root.relative_to("/sys/fs/cgroup"), *rest) for root, *rest in memory._GROUP_FILES]
    monkeypatch.setattr(memory, "_GROUP_FILES", moved)

    def put(place, text):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)

    put("proc/meminfo", f"MemTotal: {16 << 20} kB\nMemFree: 7 kB\nMemAvailable: {8 << 20} kB\n")
    return put


def test_what_the_system_has_available_counts(system):
    assert available_bytes() == 8 * GB


@pytest.mark.parametrize("listed", ["0::/\n", "0::/outer/inner\n", "0::/not/seen/here\n"])
def test_a_group_of_version_2_leaves_its_limit_less_what_is_used_and_not_cache(system, listed):
    system("proc/self/cgroup", listed)
    system("groups/memory.max", f"{4 * GB}\n")
    system("groups/memory.current", f"{3 * GB}\n")
    system("groups/memory.stat", f"anon 1\ninactive_file {GB // 2}\n")
    assert available_bytes() == GB + GB // 2


@pytest.mark.parametrize("tight", ["outer", "outer/inner"])
def test_the_tightest_of_nested_groups_counts(system, tight):
    system("proc/self/cgroup", "0::/outer/inner\n")
    for group in ("outer", "outer/inner"):
        system(f"groups/{group}/memory.max", f"{2 * GB}\n" if group == tight else "max\n")
        system(f"groups/{group}/memory.current", f"{GB}\n")
    assert available_bytes() == GB


def test_a_group_of_version_1_counts_as_well(system):
    system("proc/self/cgroup", "5:devices:/x\n4:memory:/job\n0::/\n")
    system("groups/memory/job/memory.limit_in_bytes", str(3 * GB))
    system("groups/memory/job/memory.usage_in_bytes", str(2 * GB))
    system("groups/memory/memory.limit_in_bytes", "9223372036854771712")
    system("groups/memory/memory.usage_in_bytes", str(9 * GB))
    assert available_bytes() == GB


def test_a_group_beyond_its_limit_leaves_nothing(system):
    system("proc/self/cgroup", "0::/\n")
    system("groups/memory.max", "100")
    system("groups/memory.current", "200")
    assert available_bytes() == 0


def test_without_such_files_the_whole_memory_counts(system):
    system("proc/meminfo", "what is this\n")
    assert available_bytes() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_what_does_not_fit_is_refused_in_figures(system):
    require_memory(8 * GB, "a photo", ConfigError, "scale it down")
    with pytest.raises(ConfigError, match=r"^a photo needs about 8\.7 GB of memory, of which 8\.6 GB are available; s"):
        require_memory(8.1 * GB, "a photo", ConfigError, "scale it down")


def test_a_limit_of_address_space_counts():
    script = (
        "import resource; from marigold.core.memory import available_bytes;"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 29, resource.RLIM_INFINITY)); print(available_bytes())"
    )
    left = int(subprocess.check_output([sys.executable, "-c", script]))
    assert 0 < left < 3 << 29
