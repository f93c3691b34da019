"""The page on training is true of the recipes, and the Slurm script starts what it says."""

import contextlib
import os
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from marigold import cli
from marigold.core.find import name_of
from marigold.data.words import dataset
from marigold.evaluate import suite
from marigold.train.recipe import load, names
from test_docs import ROOT, blocks, commands, started_by_torchrun

TRAIN = ROOT / "docs" / "train.md"
SLURM = ROOT / "docs" / "train.sbatch"
PUBLISHED = ("depth", "depth-v1-0", "normals", "appearance", "lighting")
OPTION = r"(?<=[ `(\[])--[a-z][a-z0-9._-]*"
A_STEP = 32
"""Samples in an optimisation step of every published training (Ke et al. 2025)."""


@cache
def given(verb):
    """The options of the page's commands with this verb."""
    lines = [words for words in commands(TRAIN) if words[0] == verb and words[1] not in ("check", "inspect")]
    return [cli.verb(verb).parse(words[1:]) for words in lines]


def test_options_in_the_prose_are_options(capsys):
    prose = re.sub(r"^```.*?^```", "", TRAIN.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for words in ("train", "train normals", "train tiny-depth", "prepare", "predict"):
        with contextlib.suppress(SystemExit):
            cli.main([*words.split(), "--help"])
    known = set(re.findall(OPTION, capsys.readouterr().out))
    assert set(re.findall(OPTION, " ".join(re.findall("`[^`]+`", prose)))) - known == set()


def test_the_page_names_every_recipe():
    table = TRAIN.read_text(encoding="utf-8").partition("## Recipes")[2].partition("\n\nEach recipe")[0]
    named = [re.findall(r"`([\w-]+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    assert {name for line in named for name in line} == set(names())


def test_every_published_run_is_trained_and_scored_on_the_page():
    trained = {options.recipe.name.removesuffix("-fast") for options in given("train")}
    scored = {Path(checkpoint).parts[1] for options in given("evaluate") for checkpoint in options.checkpoint}
    assert set(PUBLISHED) - {"depth-v1-0"} <= trained & scored


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_run_and_its_fast_one_take_steps_of_the_published_size(name):
    for recipe in (load(name), load(f"{name}-fast")):
        assert recipe.batch * recipe.accumulate == A_STEP


def test_settings_of_data_sets_on_the_page_are_settings_that_they_have():
    sets = [options for options in given("evaluate") if options.what[0] not in suite.names()]
    assert len(sets) > 1
    for options in sets:
        assert name_of(dataset(*options.what, options.settings)) == options.what[0]


def test_each_published_run_is_scored_by_the_suite_of_its_paper():
    for options in given("evaluate"):
        if options.what[0] in suite.names():
            assert Path(options.checkpoint[0]).parts[1] == options.what[0]


def test_shards_are_made_with_the_settings_of_the_recipes_that_read_them():
    made = {options.out: options for options in given("prepare")}
    read = set()
    for options in given("train"):
        sources = (*options.recipe.data, *options.recipe.validation)
        from_shards = [source for source in sources if source.root in made]
        assert len(from_shards) in (0, len(sources))
        for source in from_shards:
            shards = made[source.root]
            wanted, found = source.dataset, dataset(shards.dataset, shards.settings)
            assert comparable(found) == comparable(wanted), source.root
            assert set(source.split.split("+")) <= set(shards.splits or wanted.card.splits)
            assert not shards.size or shards.size == source.resize
            read.add(source.root)
    assert read == set(made)


def comparable(dataset):
    """What shards and a recipe have to agree on: all settings but the fields, of which the shards may hold more."""
    return name_of(dataset), {key: value for key, value in vars(dataset).items() if key not in ("fields", "card")}


def samples(processes, recipe):
    return processes * recipe.batch * recipe.accumulate


def test_several_processes_take_steps_of_the_published_size():
    lines = [line for block in blocks(TRAIN, "sh") for line in block.splitlines() if line.startswith("torchrun")]
    assert lines
    for line in lines:
        found, words = started_by_torchrun(line.split()[1:])
        assert samples(int(found.nproc_per_node), cli.verb("train").parse(words[1:]).recipe) == A_STEP


# Of sbatch's manual, what the script uses: the option, and how its value is written.
SBATCH = {
    "job-name": r"[\w-]+",
    "nodes": r"\d+",
    "ntasks-per-node": r"1",
    "gpus-per-node": r"\d+",
    "cpus-per-task": r"\d+",
    "mem": r"\d+[KMGT]",
    "time": r"(\d+-)?\d\d:\d\d:\d\d",
    "output": r"[\w%.-]+",
}


def asked_for():
    """The options of the `#SBATCH` lines, which all come before the first command."""
    before, _, after = SLURM.read_text(encoding="utf-8").partition("\nset -euo pipefail\n")
    assert "#SBATCH" not in after
    return dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", before, re.MULTILINE))


def test_the_slurm_script_is_one_that_bash_and_sbatch_read():
    assert subprocess.run(["bash", "-n", SLURM], check=False).returncode == 0
    assert SLURM.read_text(encoding="utf-8").startswith("#!/bin/bash\n")
    options = asked_for()
    assert set(options) == set(SBATCH)
    assert all(re.fullmatch(SBATCH[name], value) for name, value in options.items())


PROGRAMS = {
    "srun": "printf '%s\\0' \"$@\"",
    "scontrol": '[ "$*" = "show hostnames node[07-08]" ] && printf "node07\\nnode08\\n"',
}


def run_by_slurm(tmp_path, *words):
    """What the script gives to `srun` where Slurm's variables and commands are as in a job of its own."""
    for name, content in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{content}\n")
        (tmp_path / name).chmod(0o755)
    options = asked_for()
    job = {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "node[07-08]", "SLURM_NNODES": options["nodes"]}
    job |= {"SLURM_GPUS_ON_NODE": options["gpus-per-node"], "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", SLURM, *words], env=job, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    program, *arguments = done.stdout.rstrip("\0").split("\0")
    assert program == "torchrun"
    return started_by_torchrun(arguments)


def test_the_slurm_script_starts_a_process_for_each_gpu_that_meet_on_the_first_node(tmp_path):
    found, words = run_by_slurm(tmp_path)
    assert (found.nnodes, found.nproc_per_node, found.rdzv_backend) == ("2", "4", "c10d")
    host, port = found.rdzv_endpoint.split(":")
    assert host == "node07"
    assert 1024 < int(port) < 65536
    assert words[:2] == ["train", "depth"]
    options = cli.verb("train").parse(words[1:])
    assert samples(int(found.nnodes) * int(found.nproc_per_node), options.recipe) == A_STEP
    assert (options.workers + 1) * int(found.nproc_per_node) == int(asked_for()["cpus-per-task"])


def test_the_slurm_script_passes_a_recipe_and_its_options_on(tmp_path):
    _, words = run_by_slurm(tmp_path, "normals", "--run", "a folder", "--start", "another")
    assert words[:2] == ["train", "normals"]
    options = cli.verb("train").parse(words[1:])
    assert (options.run, options.recipe.start) == (Path("a folder"), "another")
