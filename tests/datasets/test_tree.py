import io
import tarfile
import threading

import pytest

from marigold.core.errors import DataError
from marigold.datasets import _tree

FILES = {"a/b/one.txt": b"one", "a/two.txt": b"two", "three.txt": b"three"}


def folder(root):
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def tar(path, prefix="", files=FILES, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(params=["folder", "tar", "tar with ./"])
def tree(request, tmp_path):
    if request.param == "folder":
        return _tree.opened(folder(tmp_path / "root"))
    return _tree.opened(tar(tmp_path / "x.tar", "./" if request.param.endswith("./") else ""))


def test_files_are_read_by_their_names(tree):
    assert {name: tree.read(name) for name in FILES} == FILES


def test_folders_and_files_are_listed(tree):
    assert (tree.folders(), tree.files()) == (["a"], ["three.txt"])
    assert (tree.folders("a"), tree.files("a")) == (["b"], ["two.txt"])
    assert (tree.folders("a/b"), tree.files("a/b")) == ([], ["one.txt"])
    assert (tree.folders("none"), tree.files("none")) == ([], [])


def test_what_is_there_is_known(tree):
    assert tree.has("a/two.txt")
    assert not tree.has("a/b")
    assert not tree.has("a/three.txt")


def test_a_missing_file_is_named(tree):
    with pytest.raises(DataError, match=r"a/none\.txt"):
        tree.read("a/none.txt")
    with pytest.raises(DataError, match=r"a/none\.txt"):
        tree.identity("a/none.txt")


def test_the_identity_changes_with_the_content(tmp_path):
    root = folder(tmp_path / "root")
    before = _tree.opened(root).identity("three.txt")
    (root / "three.txt").write_bytes(b"longer than three")
    assert _tree.opened(root).identity("three.txt") != before
    first = tar(tmp_path / "x.tar")
    before = _tree.opened(first).identity("three.txt")
    assert _tree.opened(tar(first, files={**FILES, "four": b"4" * 20000})).identity("three.txt") != before


def test_a_name_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(b"")
    with pytest.raises(DataError, match="leads out"):
        _tree.opened(folder(tmp_path / "root")).read("../secret")


def test_a_tar_that_was_cut_short_says_so(tmp_path):
    path = tar(tmp_path / "x.tar", files={"a.bin": b"x" * 4096})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"cut short|no tar"):
        _tree.opened(path).read("a.bin")


def test_what_is_no_tar_is_refused(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(DataError, match="no tar"):
        _tree.opened(tmp_path / "x.tar")
    with pytest.raises(DataError, match="compressed"):
        _tree.opened(tar(tmp_path / "y.tar.gz", mode="w:gz"))
    with pytest.raises(DataError, match="no such file"):
        _tree.opened(tmp_path / "none")


def test_threads_do_not_share_a_position(tmp_path):
    files = {f"{number}.bin": bytes([number]) * 5000 for number in range(20)}
    tree, wrong = _tree.opened(tar(tmp_path / "x.tar", files=files)), []

    def read_all():
        for name, content in list(files.items()) * 10:
            if tree.read(name) != content:
                wrong.append(name)

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_second_name_of_a_file_in_a_tar_has_its_content(tmp_path):
    """`tar` stores a hard link without content, by the name that came first."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a").write_bytes(b"content")
    (tmp_path / "set/b").hardlink_to(tmp_path / "set/a")
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "\u00e9"}) as tar:
        tar.add(tmp_path / "set", ".")
    tree = _tree.opened(tmp_path / "x.tar")
    assert tree.files() == ["a", "b"]
    assert tree.read("a") == tree.read("b") == b"content"


@pytest.mark.parametrize(("folders", "wrapper"), [((), ""), (("set",), "set"), (("set", "other"), "")])
def test_the_wrapper_is_the_only_folder_whatever_files_lie_beside_it(tmp_path, folders, wrapper):
    for name in (*folders, "__MACOSX", ".hidden"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "file").write_bytes(b"")
    (tmp_path / "tree/readme.txt").write_bytes(b"")
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "tree", ".")
    assert _tree.opened(tmp_path / "tree").wrapper() == wrapper
    assert _tree.opened(tmp_path / "x.tar").wrapper() == wrapper
