"""Every benchmark is a script that says what it measures, and whose imports are there."""

import importlib
import runpy
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from marigold.checkpoints import catalogue
from marigold.checkpoints.card import Card
from marigold.core.sample import Sample
from marigold.evaluate import results
from marigold.evaluate.verify import contradictions
from marigold.measure.alignment import STANDARD
from marigold.modalities.depth import Depth
from marigold_scenes.families import FAMILIES

BENCH = Path(__file__).parents[1] / "bench"
PARTS = (
    *("ablations_page", "engine_aims", "engine_engines", "engine_page", "engine_peer", "engine_photos", "engine_rows"),
    *("engine_shell", "engine_tasks", "engine_work", "hostile_documents", "hr_page", "photographs", "prior_page"),
    *("objectives_page", "random_networks", "slim", "small_runs", "spread", "stored_scenes", "training_loops"),
    "training_report",
    "training_variants",
)
"""Modules that the scripts share."""


@pytest.fixture(autouse=True)
def as_a_script(monkeypatch):
    """What a script finds when it is run from the shell, and may change."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")


@pytest.mark.parametrize("script", sorted({path.stem for path in BENCH.glob("*.py")} - {*PARTS}))
def test_a_benchmark_answers_help(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(BENCH / f"{script}.py"), run_name="__main__")
    assert ended.value.code in (0, None)
    assert "usage:" in capsys.readouterr().out


def test_shared_modules_import():
    for part in PARTS:
        runpy.run_path(str(BENCH / f"{part}.py"))


@pytest.fixture
def bench():
    """The modules of the benchmarks by name; none stays, as their names are short."""
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (BENCH / f"{name}.py").is_file():
            del sys.modules[name]


def snapshots(*errors):
    """A run's snapshots at the steps 10, 20, ... with these errors on every family."""
    return [
        {"step": 10 * number, **{steps: dict.fromkeys(FAMILIES, error) for steps in ("1", "4")}}
        for number, error in enumerate(errors, start=1)
    ]


def prior_result(*seeds):
    """For every seed the curves of the three conditions."""
    names = ("generator", "random weights", "generator, Gaussian noise")
    return {
        "facts": {"steps": 30, "batch": 2, "pool": 8, "size": 32, "scenes": 1},
        "device": "cpu",
        "baselines": {"affine in the row": dict.fromkeys(FAMILIES, 0.5)},
        "runs": [
            {"name": name, "seed": seed, "snapshots": snapshots(*curve)}
            for seed, curves in enumerate(seeds)
            for name, curve in zip(names, curves, strict=True)
        ],
    }


def test_the_prior_is_judged_by_the_ratio_at_the_end_of_every_seed(bench):
    one = ((0.4, 0.3, 0.2), (0.8, 0.6, 0.4), (0.4, 0.3, 0.2))
    other = ((0.3, 0.5, 0.3), (0.8, 0.6, 0.4), (0.4, 0.3, 0.2))
    rooms, others, claim, *noise = bench("prior_page").conclusions(prior_result(one, other, one))
    assert "0.583 (0.500 to 0.750) times that from random weights: lower with every seed" in rooms
    # 0.4 is where random weights end: below to stay from step 10 on with one seed, from step 30 on with the other.
    assert "With every seed it comes to stay below where those end after 10 to 30 of 30 steps." in others
    # At the first step the seeds have 0.5, 0.375 and 0.5; later the second one has 0.833 and 0.75.
    assert "It is furthest ahead after 10 steps, with 0.458 (0.375 to 0.500) times." in others
    assert "has 0.500; from the generator the error ends below with 3 of 3 seeds" in others
    assert "support the claim" in claim
    assert "1.167 (1.000 to 1.500) times that with Gaussian noise" in noise[0]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([(0.2, 0.4), (0.2, 0.4), (0.5, 0.4)], "At this size the figures leave open"),
        ([(0.45, 0.4), (0.5, 0.4), (0.5, 0.4)], "speak against the claim"),
        ([(0.2, 0.4), (0.2, 0.4)], "So few seeds leave open"),
        # The baseline has 0.5
        ([(0.6, 0.9), (0.3, 0.9), (0.3, 0.9)], "better than an answer that does not look at the photo"),
    ],
)
def test_the_claim_is_supported_only_by_a_clear_lead_over_both(bench, seeds, said):
    curves = [((generator,), (random,), (generator,)) for generator, random in seeds]
    assert said in bench("prior_page").conclusions(prior_result(*curves))[2]


def test_a_seed_without_a_run_of_every_condition_is_left_out(bench):
    prior, curves = bench("prior_page"), ((0.2,), (0.4,), (0.2,))
    result = prior_result(curves, curves)
    result["runs"].pop()
    assert prior.curves(result, FAMILIES)["generator"] == [pytest.approx([0.2])]


def test_a_page_keeps_all_but_what_is_between_its_marks(bench, tmp_path):
    prior, page = bench("prior_page"), tmp_path / "page.md"
    page.write_text(f"before\n{prior.BLOCK[0]}old{prior.BLOCK[1]}after")
    prior.into(page, "first")
    prior.into(page, "second")
    assert page.read_text() == f"before\n{prior.BLOCK[0]}\nsecond\n\n{prior.BLOCK[1]}after"


def test_ablations_name_the_lowest_error_and_compare_it(bench):
    best = bench("ablations_page").best
    errors = {"one": [0.2, 0.4], "two": [0.4, 0.5], "three": [0.5, 0.5]}
    assert (
        best(errors, "two") == "lowest with one, 0.650 (0.500 to 0.800) times the error with two, lower with every seed"
    )
    assert best(errors, "one").endswith("times the error with two, lower with every seed")


def objectives_result(**errors):
    """Runs of two seeds with these errors everywhere, by objective and then by steps of inference."""

    def run(name, seed, by_steps):
        scores = {
            str(count): {metric: dict.fromkeys(FAMILIES, error + 0.1 * seed) for metric in ("abs_rel", "delta1")}
            for count, error in by_steps.items()
        }
        edges = {count: {"boundary_f1": 0.5} for count in scores}
        return {"name": name, "seed": seed, "steps": 10, "seconds_per_step": 0.5, "scores": scores, "edges": edges}

    facts = {"each": 60.0, "batch": 2, "size": 32, "pool": 8, "scenes": 1}
    runs = [run(name, seed, by_steps) for seed in (0, 1) for name, by_steps in errors.items()]
    return {"facts": facts, "device": "cpu", "runs": runs}


def test_objectives_are_compared_by_the_seeds_that_all_runs_have(bench):
    page = bench("objectives_page")
    result = objectives_result(mixed={1: 0.2, 2: 0.1, 4: 0.4}, single={1: 0.4})
    order = ["single", "mixed", "never run"]
    assert list(page.complete(result, order)) == ["single", "mixed"]
    assert list(page.several(result, order)) == ["mixed"]
    assert "| single | 0.450 (0.400 to 0.500) |" in page.main_table(result, order)
    # 0.2 to 0.4 with one seed, 0.3 to 0.5 with the other.
    said = page.said(result, order)
    assert "AbsRel is lowest with mixed: 0.550 (0.500 to 0.600) times that with single, lower with every seed." in said
    assert "mixed: the error of one step is multiplied by 0.583 (0.500 to 0.667) with 2 and 1.833" in said
    result["runs"].pop()
    assert list(page.complete(result, order)) == ["mixed"]


def test_every_objective_of_the_comparison_has_a_run_of_its_own(bench):
    rows = bench("objectives").rows()
    made = [(one.objective, one.then) for one in rows.values()]
    assert len(made) == len({repr(pair) for pair in made}) >= 12
    folders = {bench("small_runs").Job(name, 0).folder(Path()).name for name in rows}
    assert len(folders) == len(rows)


def test_published_errors_are_compared_set_by_set(bench):
    published = bench("ablations_page").Published("Someone 2024", {"old": (8.0, 20.0), "ours": (6.0, 15.0)})
    assert published.text("old") == (
        "Published on NYU and KITTI, in per cent (Someone 2024): old 8.0 and 20.0, ours 6.0 and 15.0; ours is at 0.75 "
        "and 0.75 times old."
    )


def test_every_variant_of_the_ablations_is_on_their_page(bench):
    ablations, page = bench("ablations"), bench("ablations_page")
    assert set(ablations.VARIANTS) == {*page.NOISE.values(), *page.SPACE.values(), *page.DATA.values()}
    runs = [{"name": name, "seed": 0, "trailing": errors_by(ablations.FEW)} for name in ablations.VARIANTS]
    sweeps = {"trailing": errors_by(ablations.STEPS), "leading": errors_by(ablations.STEPS)}
    runs[0] |= {**sweeps, "members": errors_by(ablations.MEMBERS)}
    facts = {"steps": 30, "batch": 2, "pool": 8, "size": 32, "scenes": 1}
    text = page.page({"facts": facts, "device": "cpu", "runs": runs})
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Noise",
        "## Target space",
        "## Training data",
        "## Steps of inference",
        "## Members of an ensemble",
    ]


def errors_by(counts):
    return {str(count): dict.fromkeys(FAMILIES, 0.5) for count in counts}


def test_runs_of_one_seed_draw_the_same_stored_scenes(bench):
    image = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 2, 2).half()
    depth, valid = image[:, :1], torch.ones(5, 1, 2, 2, dtype=torch.bool)
    pool = bench("stored_scenes").StoredPool
    scenes = Sample("", image, {"depth": depth}, {"depth": valid})
    one, again, other = (pool(scenes, seed, lambda: None).draw(3, 8, ("depth",)) for seed in (0, 0, 1))
    assert torch.equal(one.image, again.image)
    assert not torch.equal(one.image, other.image)
    assert torch.equal(one.image[:, :1], one.maps["depth"])  # photo and truth are of one scene


def test_stored_pools_end_with_the_budget(bench):
    stored = bench("stored_scenes")
    with pytest.raises(stored.OutOfTime):
        stored.check_time(0.0)
    stored.check_time(float("inf"))


def test_held_out_errors_are_means_by_family(bench):
    depth = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(4, 1, 2, 2)
    sample = Sample("", depth.expand(4, 3, 2, 2), {"depth": depth}, {"depth": torch.ones(4, 1, 2, 2, dtype=torch.bool)})
    scenes = bench("stored_scenes").HeldOut(("a", "b"), sample, STANDARD)
    # Two scenes of `a` are right up to scale and shift. Of `b` one is constant: its best constant is 2.5, with relative
    # errors 1.5, 1/4, 1/6 and 3/8, whose mean is 55/96.
    values = depth / 10 + 0.1
    values = torch.cat([values[:3], torch.full((1, 1, 2, 2), 0.5)])
    assert scenes.means(values) == pytest.approx({"a": 0.0, "b": 55 / 192}, abs=1e-6)
    assert len(scenes.first(1).sample.image) == 2


def refined_row(key, way, f1, seam=None):
    scored = {"boundary_f1": f1, "abs_rel": 0.1, "see_3": 2 * f1}
    seams = {} if seam is None else {"seam": seam, "seam_truth": 1.1}
    return {"size": 1024, "key": key, "way": way, "seconds": 1.0, "layout": 0.0, **scored, **seams}


def test_refined_maps_are_compared_with_the_plain_ones_scene_by_scene(bench):
    page = bench("hr_page")
    plain, refined, worse = page.plain(288), page.refined(576, 4), page.refined(576, 1)
    rows = [refined_row("a", plain, 0.2), refined_row("b", plain, 0.4)]
    rows += [refined_row("a", worse, 0.1, 1.3), refined_row("b", worse, 0.1, 1.3)]
    rows += [refined_row("a", refined, 0.6, 1.0), refined_row("b", refined, 0.3, 1.2)]
    about = {"name": "x", "revision": "y", "recipe": "z", "note": "n", "seconds_of_training": 60.0}
    text = page.page({"asked": {"refiner": about}, "device": "cpu", "torch": "2", "rows": rows})
    assert "## 2 scenes of 1024 pixels a side" in text
    assert "Refined at 576, 4 steps has the highest boundary F1" in text
    # Means of 0.45 and 0.3; higher is better for F1, and lower for the error, which is twice as large here.
    assert (
        "Beside plain at 288: boundary F1 1.50 times, better on 1 of 2 scenes; SEE 3 1.50 times, better on 1 of 2"
        in text
    )
    # The seams' mean is 1.1, as the truth's; 1.3 is above that and above 1.
    assert "| refined at 576, 4 steps | 1.100 | 1.100 | no seam |" in text
    assert "| refined at 576, 1 step | 1.300 | 1.100 | above both |" in text


def test_a_number_that_a_scene_does_not_have_is_no_part_of_a_mean(bench):
    page = bench("hr_page")
    rows = [refined_row("a", "plain at 288", 0.2), {"key": "b", "way": "plain at 288"}]
    assert page.mean(rows, "plain at 288", "boundary_f1") == 0.2
    assert "0.2" in page.table(rows) and "nan" in page.table(rows)  # no boundary error anywhere


def test_the_part_with_the_most_edges_is_drawn(bench, tmp_path):
    page = bench("hr_page")
    depth = torch.ones(1, 64, 64)
    depth[:, 36:44, 20:28] = 5.0
    sample = Sample("", torch.rand(3, 64, 64), {"depth": depth}, {"depth": torch.ones(1, 64, 64, dtype=torch.bool)})
    rows, columns = page.most_edges(sample)
    assert rows.stop - rows.start == columns.stop - columns.start == 16
    assert rows.start <= 36 and rows.stop >= 44 and columns.start <= 20 and columns.stop >= 28
    maps = {"plain": [depth[:, ::2, ::2] / 5], "refined": [depth / 5]}
    page.draw(tmp_path / "images" / "hr.jpg", Depth(), [sample], maps)
    with Image.open(tmp_path / "images" / "hr.jpg") as drawn:
        assert drawn.width == 4 * page.TILE + 3 * 6  # photo, two maps and the truth


@pytest.mark.parametrize(("seconds", "said"), [(104.0, "kept here"), (110.0, "not kept here")])
def test_the_share_of_the_harness_is_what_a_run_takes_above_the_predictor(bench, seconds, said):
    # 100 photos at 1 s: (104 - 100) / 104 is 3.8 %, (110 - 100) / 110 is 9.1 %.
    facts = {"count": 100, "alone": [0.9, 1.1], "prediction": {"steps": 1, "ensemble": 10}, "precision": "bf16"}
    stages = {"read": 1.0, "predict": 100.0, "score": 2.0}
    found = {**facts, "size": "full", "device": "some GPU", "seconds": seconds, "stages": stages}
    table = "\n".join(bench("evaluate").share_table(found))
    assert f"share of the harness | {100 * (seconds - 100) / seconds:.1f}%" in table
    assert f": {said}" in table


def test_fits_of_depth_that_take_too_long_are_named(bench):
    rows = [
        {"case": "depth, quick", "median": 90.0, "least": 70.0, "processor": 50.0},
        {"case": "depth, slow", "median": 90.0, "least": 70.0, "processor": 80.0},
        {"case": "normals", "median": 90.0, "least": 70.0, "processor": 80.0},
    ]
    table = bench("evaluate").metrics_table(rows, {"load": 0.1, "threads": 2})
    assert table[-1] == "processor time: depth, slow."


@pytest.mark.parametrize("name", ["depth", "normals", "appearance", "lighting"])
def test_cards_of_the_bundled_checkpoints_have_the_scores_of_the_committed_results(bench, name):
    card_scores = bench("card_scores")
    summary, rows = results.read(card_scores.RESULTS / name)
    card = Card.read(catalogue.BUNDLED / name)
    assert card.scores == card_scores.scores(summary)
    assert (card.revision, card.name) == (summary["model"]["revision"], summary["model"]["name"])
    assert [one for one in summary["sets"] if contradictions(one, rows, name)] == []


def test_the_page_of_results_is_that_of_the_committed_results(bench):
    results_page = bench("results_page")
    assert results_page.PAGE.read_text(encoding="utf-8") == results_page.page(results_page.RESULTS)
