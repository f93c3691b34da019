"""Names of a family, and modules of other packages, are found or explained."""

import re
import sys

import pytest

from marigold.core import find
from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.find import implementation, may_name, name_of, names, packages, unknown
from marigold.datasets.base import Dataset
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth


def test_a_name_of_the_family_is_the_class_in_the_file_of_that_name():
    assert implementation(Modality, "depth") is Depth
    assert name_of(Depth()) == "depth"


@pytest.mark.parametrize(
    "name", ["dept", "base", "_depth_spaces", "depth/../image", "", "depth\n", "\ud800", "x" * 9999]
)
def test_a_name_that_stands_for_nothing_comes_with_what_there_is(name):
    with pytest.raises(UnknownNameError, match=r"\bdepth\b"):
        implementation(Modality, name)


@pytest.mark.parametrize("name", ["no_such_package.shading", "marigold.no_such_file", ".depth"])
def test_a_module_that_is_not_there_says_where_modules_are_looked_for(name):
    with pytest.raises(
        UnknownNameError, match=rf"no module `{re.escape(name)}`.*run `python -m marigold` in the folder"
    ):
        implementation(Modality, name)


def test_a_module_without_a_class_of_the_family_is_named():
    with pytest.raises(UnknownNameError, match=r"module `json\.decoder` defines no Modality"):
        implementation(Modality, "json.decoder")


MEMBER = """
from marigold.modalities.image import Image
class Member(Image):
    pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package `stranger` that declares a modality's short name for its module of this content."""
    find.plugins.cache_clear()
    monkeypatch.syspath_prepend(tmp_path)

    def declared(name, content=MEMBER, module="stranger.member", package=""):
        (tmp_path / "stranger").mkdir()
        (tmp_path / "stranger" / "__init__.py").write_text(package)
        (tmp_path / "stranger" / "member.py").write_text(content)
        (tmp_path / "stranger-1.0.dist-info").mkdir()
        (tmp_path / "stranger-1.0.dist-info" / "METADATA").write_text("Name: stranger\nVersion: 1.0\n")
        points = f"[marigold.modalities]\n{name} = {module}\n"
        (tmp_path / "stranger-1.0.dist-info" / "entry_points.txt").write_text(points)

    yield declared
    find.plugins.cache_clear()
    for module in [module for module in sys.modules if module.partition(".")[0] == "stranger"]:
        del sys.modules[module]


def test_a_short_name_of_another_package_stands_for_its_module(install):
    install("warmth")
    found = implementation(Modality, "warmth")
    assert found.__module__ == "stranger.member"
    assert implementation(Modality, "stranger.member") is found
    assert names(Modality) == sorted(names(Modality)) and "warmth" in names(Modality)
    assert "warmth" not in names(Dataset)


def test_what_has_a_short_name_is_called_by_it(install):
    install("warmth")
    assert name_of(implementation(Modality, "warmth")()) == "warmth"


def test_what_has_no_short_name_is_called_by_its_module(install):
    install("warmth", module="stranger.other")
    assert name_of(implementation(Modality, "stranger.member")()) == "stranger.member"


def test_an_own_name_is_never_taken_by_another_package(install):
    install("depth")
    assert implementation(Modality, "depth") is Depth
    assert names(Modality).count("depth") == 1


def test_a_short_name_is_among_those_that_come_nearest(install):
    install("warmth")
    with pytest.raises(UnknownNameError, match="no modality named `warmht`; did you mean `warmth`"):
        implementation(Modality, "warmht")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"content": "import no_such_library"}, "ModuleNotFoundError: No module named 'no_such_library'"),
        ({"content": "raise RuntimeError('no device')"}, "RuntimeError: no device"),
        ({"content": "def"}, "SyntaxError"),
        ({"package": "import no_such_library"}, "ModuleNotFoundError: No module named 'no_such_library'"),
        ({"package": "raise ValueError('too old')"}, "ValueError: too old"),
    ],
)
@pytest.mark.parametrize("name", ["warmth", "stranger.member"])
def test_a_module_that_cannot_be_imported_is_named_with_the_reason(install, broken, words, name):
    install("warmth", **broken)
    with pytest.raises(ConfigError, match=rf"module `stranger\.member` cannot be imported \({words}.*; install what"):
        implementation(Modality, name)


def test_a_short_name_for_a_module_that_is_not_there_names_the_module(install):
    install("warmth", module="stranger.gone")
    with pytest.raises(
        UnknownNameError, match=r"no module `stranger\.gone`, which .* declares as the modality `warmth`"
    ):
        implementation(Modality, "warmth")


def test_a_module_that_defines_no_member_is_named(install):
    install("warmth", content="")
    with pytest.raises(UnknownNameError, match=r"module `stranger\.member` defines no Modality"):
        implementation(Modality, "warmth")


def test_the_renderer_is_found_by_its_short_name():
    assert "procedural" in names(Dataset)
    assert implementation(Dataset, "procedural").__module__ == "marigold_scenes.procedural"


@pytest.mark.parametrize("name", ["depth", "marigold.modalities.depth", "dept", "", "evil", "base", "_depth_spaces"])
def test_data_may_name_members_and_what_stands_for_nothing(name):
    assert may_name(Modality, name)


@pytest.mark.parametrize("name", ["a.b", ".a", "a.", "marigold.cli.train", "marigold.modalities.base", "os.path"])
def test_data_may_name_no_other_module(name):
    assert not may_name(Modality, name)
    assert not may_name(Modality, name, ["b", "a.b.c", "marigold.modalities.depth", "o", ""])


@pytest.mark.parametrize("trusted", ["a", "a.b", "a.b.c"])
def test_a_package_that_is_trusted_covers_what_is_in_it(trusted):
    assert may_name(Modality, "a.b.c", [trusted])
    assert not may_name(Modality, "ab.c", [trusted])


def test_packages_are_listed_once_each():
    assert packages("one, two.three,one") == ("one", "two.three")
    assert packages(["one", "two,three"]) == ("one", "two", "three")
    assert packages(()) == ()


def test_a_message_repeats_names_in_printable_characters():
    message = unknown("modality", "\x1b[2J\n", ["a\nb"])
    assert message == r"no modality named `\x1b[2J\n`; there are: a\nb"


@pytest.mark.parametrize("name", ["marigold.__main__", "unittest.__main__", "stranger.__main__"])
def test_a_program_is_not_run_by_its_name(install, tmp_path, name):
    install("warmth")
    (tmp_path / "stranger" / "__main__.py").write_text("raise SystemExit(0)")
    with pytest.raises(UnknownNameError, match=rf"module `{re.escape(name)}` is a program; name the module"):
        implementation(Modality, name)


@pytest.mark.parametrize("ending", ["raise SystemExit(0)", "raise GeneratorExit", "import sys; sys.exit('no')"])
@pytest.mark.parametrize("where", ["content", "package"])
def test_a_module_that_ends_the_program_is_an_error_with_its_name(install, ending, where):
    install("warmth", **{where: ending})
    with pytest.raises(ConfigError, match=r"module `stranger\.member` cannot be imported \((SystemExit|GeneratorExit)"):
        implementation(Modality, "stranger.member")


@pytest.mark.parametrize("trust", [None, 0, 3.5, True, float("nan"), object(), [None], b"abc"])
def test_what_holds_no_names_trusts_nobody(trust):
    with pytest.raises(ConfigError, match=r"^trust: .*give its name as text"):
        packages(trust)
