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
