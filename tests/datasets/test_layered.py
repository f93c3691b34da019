import pytest

from marigold.core.errors import DataError
from marigold.datasets._layers import layered, text_of
from toys.worlds import packed


@pytest.fixture
def root(tmp_path):
    for name, content in {
        "here/a.txt": "outer",
        "top/here/a.txt": "inner",
        "top/here/b.txt": "b",
        "in/x/c": "c",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    packed(tmp_path / "in", tmp_path / "in.tar")
    return tmp_path


def test_files_of_all_parts_lie_in_one_tree_and_the_first_of_a_name_counts(root):
    tree = layered(root, lambda tree: ["top", "x", "none"], lambda tree: ["in.tar", "none.tar"])
    assert tree.files("here") == ["a.txt", "b.txt"]
    assert tree.folders() == ["here", "in", "top", "x"]
    assert (tree.read("here/a.txt"), tree.read("here/b.txt"), tree.read("c")) == (b"outer", b"b", b"c")
    assert tree.has("c")
    assert not tree.has("d")


def test_messages_name_the_place_where_a_file_lies(root):
    tree = layered(root, lambda tree: ["top"])
    assert tree.where("here/b.txt") == f"{root}/top/here/b.txt"
    for wrong in (tree.read, tree.identity, lambda name: text_of(tree, name)):
        with pytest.raises(DataError, match=f"{root}/here/d: "):
            wrong("here/d")


def test_the_identity_is_that_of_the_part(root):
    tree = layered(root, lambda tree: ["top"])
    before = tree.identity("here/b.txt")
    (root / "top/here/b.txt").write_text("longer")
    assert tree.identity("here/b.txt") != before


def test_a_single_folder_at_the_root_may_hold_everything_with_tops_of_its_own(root, tmp_path):
    outer = tmp_path / "outer"
    (outer / "__MACOSX").mkdir(parents=True)
    (outer / ".hidden").mkdir()
    (outer / "readme.txt").write_text("outer")
    (root / "here").rename(outer / "set")
    (root / "top").rename(outer / "set/top")
    for place in (outer, packed(outer, tmp_path / "outer.tar")):
        tree = layered(place, lambda tree: [name for name in tree.folders() if name == "top"])
        assert tree.read("a.txt") == b"outer"
        assert tree.read("here/b.txt") == b"b"
        source, name = tree.source("here/b.txt")
        assert source.read(name) == b"b"
        assert tree.where("here/b.txt") == f"{place}/set/top/here/b.txt"


def test_none_of_several_folders_is_looked_into(root):
    assert not layered(root).has("a.txt")
    assert layered(root).has("here/a.txt")


def test_text_may_begin_with_a_byte_order_mark(root):
    (root / "train.txt").write_bytes(b"\xef\xbb\xbfroom\r\n")
    assert text_of(layered(root), "train.txt").splitlines() == ["room"]
