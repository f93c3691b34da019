"""The documentation is true: every verb has its page, every option stands there, every command is understood."""

import contextlib
import io
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from torch.distributed.run import get_args_parser

import marigold
from marigold import cli
from marigold.core.find import name_of
from marigold.evaluate import suite

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page):
    """The words of every `marigold ...` line of a page's shell blocks, and of those that `torchrun` starts."""
    for block in blocks(page, "(?:sh|bash|shell|console)"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if "marigold" in words[:1]:
                yield words[1:]
            elif "torchrun" in words[:1]:
                yield started_by_torchrun(words[1:])[1]


def started_by_torchrun(words):
    """What torch's own parser makes of `torchrun ... -m marigold ...`, and the words behind `marigold`."""
    found = get_args_parser().parse_args(words)
    assert found.module
    assert found.training_script == "marigold"
    return found, found.training_script_args


def every_command():
    for page in PAGES:
        for words in commands(page):
            yield pytest.param(page, words, id=f"{page.name}: {shlex.join(words)}")


def write_files(page):
    """Writes the YAML blocks of a page whose first line is a comment with a file's name into such files."""
    for block in blocks(page, "yaml"):
        if name := re.match(r"# (\S+\.yaml)\n", block):
            Path(name[1]).write_text(block, encoding="utf-8")


def help_of(verb):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        assert cli.main([verb, "--help"]) == 0
    return shown.getvalue()


@pytest.mark.parametrize("verb", cli.verbs())
def test_every_verb_has_a_page_that_shows_how_to_run_it(verb):
    page = ROOT / "docs" / f"{verb}.md"
    assert any(f"marigold {verb}" in block for block in blocks(page, "sh"))


@pytest.mark.parametrize("verb", cli.verbs())
def test_every_option_of_a_verb_stands_in_its_page(verb):
    options = set(re.findall(r"^[│ ]*(--[a-z][a-z-]*)", help_of(verb), re.MULTILINE)) - {"--help"}
    page = (ROOT / "docs" / f"{verb}.md").read_text(encoding="utf-8")
    assert {option for option in options if option not in page} == set()


@pytest.mark.parametrize(("page", "arguments"), list(every_command()))
def test_a_command_in_the_pages_is_understood(page, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(page)
    if arguments[0] in ("--help", "--version"):
        assert cli.main(arguments) == 0
        return
    try:
        cli.verb(arguments[0]).parse(arguments[1:])
    except SystemExit as stop:
        assert stop.code == 0


def test_the_readme_works_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    PIL.Image.fromarray(photo).save("photo.jpg")
    readme = ROOT / "README.md"
    lines = [line for block in blocks(readme, "sh") for line in block.splitlines()]
    for line in lines:
        if line.startswith("marigold predict") and "prs-eth/" not in line:
            assert cli.main(shlex.split(line, comments=True)[1:]) == 0, line
    shown = np.load("output/photo_depth.npy")
    (code,) = blocks(readme, "python")
    names = {}
    exec(code, names)
    np.testing.assert_array_equal(names["prediction"].maps["depth"], shown)


def test_make_knows_the_words_of_the_readme():
    lines = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    words = {line.split()[1] for line in lines if line.startswith("make ")}
    assert {"demo", "test"} <= words
    command = ["make", "--dry-run", "--directory", str(ROOT), *sorted(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_pages_is_python_and_its_names_exist(page):
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")
        for name in re.findall(r"\bmarigold\.(\w+)", block):
            assert name in dir(marigold) or (ROOT / "src" / "marigold" / name).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_pages_lead_to_a_heading(page):
    for target, heading in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", page.read_text(encoding="utf-8")):
        assert heading in headings(page.parent / target if target else page), f"{target}#{heading}"


def headings(page):
    """The headings of a page as links call them: small letters, no punctuation, hyphens for spaces."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}


def test_the_layers_of_contributing_are_those_of_the_test():
    source = (ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8")
    (tested,) = re.findall(r'^LAYERS = """\\?\n(.*?)"""', source, re.MULTILINE | re.DOTALL)
    (written,) = blocks(ROOT / "CONTRIBUTING.md", "text")
    assert [line.split() for line in written.splitlines()] == [line.split() for line in tested.strip().splitlines()]


def test_code_on_the_page_of_evaluation_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["synth", "scenes", "--count", "1", "--size", "32", "--split", "test"]) == 0
    for code in blocks(ROOT / "docs" / "evaluate.md", "python"):
        exec(code, {})


@pytest.mark.parametrize("name", suite.names())
def test_the_page_of_evaluation_states_every_suite_as_it_is(name):
    page = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{name}` \|(.*)$", page, re.MULTILINE)
    described = row.replace("the same", folders_of("depth")) if name == "depth-v1-0" else row
    for one in suite.load(name).sets:
        assert not one.folder or f"`{one.folder}`" in described
        steps, members = (one.prediction.get(key) for key in ("steps", "ensemble"))
        assert ("as the card says" if steps is None else f"{steps} x {members}") in row
        assert all(name_of(measure) in row for measure in one.measures)


def folders_of(name):
    return ", ".join(f"`{one.folder}`" for one in suite.load(name).sets)


def test_the_suite_on_the_page_of_evaluation_can_be_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(ROOT / "docs" / "evaluate.md")
    first, second = suite.load("mine.yaml").sets
    assert (first.protocol["space"], second.protocol["space"]) == ("disparity", "depth")
    assert first.protocol["fit"] == second.protocol["fit"] == "least-squares"


def test_promises_of_reliability_are_kept_by_tests():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    file, named = "", re.findall(r"`((?:[a-z]+/)?test_[a-z_]+\.py)?(?:::([a-z_0-9]+))?`", text)
    for path, test in named:
        file = path or file
        if file and (path or test):
            source = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert not test or f"def {test}(" in source, f"{file}::{test}"
    assert len({test for _, test in named if test}) > 50
