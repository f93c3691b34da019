"""The bench of full-size networks: its rows, its processes, its table, and a small run."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import engine

    yield engine
    for name in [name for name in sys.modules if name.startswith("engine")]:
        del sys.modules[name]


@pytest.fixture
def rows(bench):
    return sys.modules["engine_rows"]


@pytest.fixture
def page(bench):
    return sys.modules["engine_page"]


def measured(name, **figures):
    return {"row": name, "device": "cuda", "size": "full", "where": "a GPU", "rss": 2.0, **figures}


COUNTED = {"encode, kl": 2.0, "decode, kl": 4.0, "denoise": 1.0, "encode, tiny": 0.5, "decode, tiny": 0.25}
MEASURED = (
    measured("limit", ms=1.4, rate=700.0, rows=8192),
    measured("arithmetic", work=COUNTED),
    measured("diffusers/photo", ms=100.0, allocated=3.0, reserved=4.0, open_seconds=6.0, first_seconds=1.5),
    measured("diffusers/members", ms=1000.0, allocated=3.0, reserved=4.0),
    measured("ours-on/photo", ms=20.0, allocated=1.0, reserved=2.0, open_seconds=5.0, first_seconds=30.0),
    measured("ours-on/members", ms=410.0, allocated=1.0, reserved=2.0),
    measured("ours-tiny/photo", ms=10.0, allocated=1.0, reserved=2.0),
    measured("ours-on/stages-1", ms=20.0, stages={"encode": 5.0, "sample": 5.0, "decode": 10.0}),
    measured("ours-on/agreement", mean=0.001, max=0.05),
    measured("diffusers/agreement", mean=0.5, max=0.9),
    measured("diffusers/folder", ms=120.0, photos=24),
    measured("folder-npy", ms=30.0, photos=120, seconds=10.0, stages={"read": 18.0, "predict": 25.0}),
    measured("shell-auto", starts=[9.0, 4.0]),
    {"row": "diffusers-compiled/photo", "device": "cuda", "size": "full", "failed": "too long"},
)


@pytest.fixture
def lines(page):
    return page.page(MEASURED).splitlines()


def cells(lines, start):
    (found,) = [line for line in lines if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in found.strip("|").split("|")][1:]


def test_a_row_has_its_rate_its_share_of_the_limit_and_its_ratio_to_the_peer(lines):
    # 2 + 1 + 4 TFLOP in 20 ms are 350 TFLOP/s, half of 700; the peer takes 100 ms, and 7.5 s to its first map.
    assert cells(lines, "ours, compiled: one photo") == ["20.0", "350", "50 %", "1.00 / 2.00", "35.0", "5.00"]
    assert cells(lines, "diffusers: one photo") == ["100.0", "70", "10 %", "3.00 / 4.00", "7.5", ""]


def test_an_ensemble_is_encoded_once_and_denoised_by_member_and_step(lines):
    # 2 + 40 + 10 * 4 TFLOP in 410 ms are 200 TFLOP/s.
    assert cells(lines, "ours, compiled: 10 members, 4 steps")[1] == "200"


def test_the_tiny_autoencoder_has_its_own_arithmetic(lines):
    # 0.5 + 1 + 0.25 TFLOP in 10 ms.
    assert cells(lines, "ours, compiled, tiny autoencoder: one photo")[1:3] == ["175", "25 %"]


def test_stages_have_shares_of_the_limit(lines):
    # 2 TFLOP in 5 ms, 1 in 5 ms, 4 in 10 ms, of 700 TFLOP/s.
    assert cells(lines, "ours, compiled: networks alone, 1 photo") == ["5.00", "57 %", "5.00", "29 %", "10.00", "57 %"]


def test_a_folder_has_its_rate_with_the_start_and_is_compared_with_the_peer_s_loop(lines):
    assert cells(lines, "a folder, npy") == ["120", "12.00", "30.0", "read 18, predict 25", "2.00", "4.00"]
    assert cells(lines, "first map from the shell") == ["9.0", "4.0", "2.00"]


def test_maps_are_held_to_the_stated_tolerance(lines):
    assert cells(lines, "ours, compiled: map beside the one in fp32") == ["0.100 %", "5.000 %", "yes"]
    assert cells(lines, "diffusers: map beside the one in fp32")[-1] == "no"


def test_a_row_that_failed_is_named(lines):
    assert "- diffusers, compiled: one photo: too long" in lines


def test_tables_have_as_many_cells_as_heads(lines):
    tables, table = [], []
    for line in lines:
        if line.startswith("|"):
            table.append(line.count("|"))
        elif table:
            tables.append(table)
            table = []
    assert len(tables) == 6
    assert [len(set(table)) for table in tables] == [1] * 6


def test_repeated_rows_are_medians_of_those_that_were_measured(page):
    again = [measured("ours-auto/photo", ms=ms) for ms in (3.0, 1.0, 8.0)]
    failed = {"row": "ours-auto/photo", "device": "cuda", "size": "full", "failed": "no memory"}
    assert page.merged([again[0], failed, *again[1:]])["ours-auto/photo"]["ms"] == 3.0
    assert page.merged([failed])["ours-auto/photo"]["failed"] == "no memory"


def test_rows_are_chosen_by_name_or_by_engine(rows):
    assert rows.chosen("limit,diffusers-tiny", "cuda") == ["limit", "diffusers-tiny/photo"]
    assert rows.chosen("", "cpu") == list(rows.CPU)
    with pytest.raises(SystemExit, match="no row is called ours-on/nothing"):
        rows.chosen("ours-on/nothing", "cpu")


def test_maps_that_are_compared_have_their_reference_first(rows):
    assert rows.chosen("limit,ours-on/agreement", "cuda") == ["ours-fp32/reference", "limit", "ours-on/agreement"]
    for default in (rows.CUDA, rows.CPU):
        compared = [number for number, row in enumerate(default) if row.endswith("/agreement")]
        assert default.index("ours-fp32/reference") < min(compared)


def test_rows_of_an_engine_share_a_process_on_a_gpu_alone(rows):
    names = ["limit", "ours-on/photo", "ours-on/large", "diffusers/photo"]
    assert rows.processes(names, "cuda") == [["limit"], ["ours-on/photo", "ours-on/large"], ["diffusers/photo"]]
    assert rows.processes(names, "cpu") == [[name] for name in names]


def test_every_row_can_be_measured(bench, rows):
    import engine_engines
    import engine_tasks
    import engine_work

    assert rows.ENGINES.keys() == engine_engines.OPENERS.keys()
    assert rows.TASKS.keys() == engine_tasks.TASKS.keys()
    assert {*rows.ALONE, "make"} == engine_work.WITHOUT_ENGINE.keys()
    for row in (*rows.CUDA, *rows.CPU):
        assert rows.title(row)


def test_the_pace_of_a_folder_is_that_of_its_second_half(bench):
    # The start takes ten seconds; of four photos the last two come every three seconds.
    assert sys.modules.get("engine_shell") is None
    import engine_shell

    assert engine_shell.pace([10.0, 11.0, 14.0, 17.0]) == 3.0


SCRIPT = """
import json, sys, time
rows = sys.argv[1:sys.argv.index("--work")]
for row in rows:
    if row.endswith("slow"):
        time.sleep(60)
    print("said beside")
    print(json.dumps({"row": row, "ms": 1.0}), flush=True)
"""


def test_a_row_that_takes_too_long_costs_itself_alone(bench, tmp_path, monkeypatch):
    script = tmp_path / "work.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(bench, "WORK", script)
    options = Namespace(device="cuda", size="tiny", seconds=0.1, photos=4, most=1.0, total=60.0, threads=1)
    found = list(bench.measured(options, ["x/one", "x/slow", "x/two"], tmp_path))
    assert [row["row"] for row in found] == ["x/one", "x/slow", "x/two"]
    assert ["failed" in row for row in found] == [False, True, False]
    assert "took more than 1 s" in found[1]["failed"]


def test_no_row_is_begun_after_the_total_time(bench, tmp_path, monkeypatch):
    script = tmp_path / "work.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(bench, "WORK", script)
    options = Namespace(device="cuda", size="tiny", seconds=0.1, photos=4, most=60.0, total=1.0, threads=1)
    found = list(bench.measured(options, ["x/slow", "y/one"], tmp_path))
    assert [row["row"] for row in found] == ["x/slow"]
    assert "failed" in found[0]


def test_the_peer_is_measured_without_transformers(tmp_path):
    result = tmp_path / "engine.json"
    command = [sys.executable, str(BENCH / "engine.py"), "--size", "tiny", "--seconds", "0.01", "--threads", "1"]
    command += ["--rows", "limit,diffusers/photo", "--result", str(result)]
    environment = {**os.environ, "PYTHONPATH": str(BENCH.parent / "src")}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    limit, photo = json.loads(result.read_text())["rows"]
    assert limit["rate"] > 0
    assert photo["ms"] > 0
    assert photo["open_seconds"] > 0


def test_the_small_decoder_stands_for_the_decoder_alone(page):
    # 2 + 1 TFLOP and 0.5 of the small decoder.
    rows = {"arithmetic": {"work": COUNTED}, "arithmetic-decoder": {"work": {"decode, decoder": 0.5}}}
    assert page.work("ours-decoder/photo", rows) == 3.5
    assert page.work("ours-decoder/photo", {"arithmetic": {"work": COUNTED}}) == 0


def test_a_tiny_autoencoder_is_compared_with_the_peer_s(page):
    assert page.peer_of("ours-tiny/photo") == "diffusers-tiny/photo"
    assert page.peer_of("ours-auto/warming") == "diffusers/photo"


def test_aims_are_judged_where_they_were_measured(lines):
    assert cells(lines, "one photo, warm") == ["at most 20 ms", "20 ms", "yes"]
    assert cells(lines, "an ensemble of 10, 4 steps") == ["at most 220 ms", "410 ms", "no"]
    assert cells(lines, "a folder to npy, once it runs") == ["at least 60 photos/s", "33.3 photos/s", "no"]
    assert not [line for line in lines if line.startswith("| a photo of 4000 x 3000 |")]


def test_aims_beside_another_row_are_ratios(bench):
    from engine_aims import aims

    small = {"ours-on/photo": {"ms": 30.0}, "ours-decoder/photo": {"ms": 12.0}}
    assert aims("cuda", small)[1][1:] == ["at most 0.333 of the large", "0.4 of the large", "no"]
    cpu = {"ours-auto/photo": {"ms": 20.0, "rss": 2.0}, "diffusers/photo": {"ms": 30.0}}
    # 2 GiB are 2.15 GB.
    assert [one[2:] for one in aims("cpu", cpu)] == [["1.5 times the peer", "yes"], ["2.15 GB", "yes"]]


def test_other_photos_in_the_batch_may_change_nothing(page):
    told = page.page([measured("ours-on/mates", max=1e-9)]).splitlines()
    assert cells(told, "ours, compiled: map with other photos in the batch")[-1] == "no"
