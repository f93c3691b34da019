"""Stages that overlap: the files are the same, and nothing piles up however long the run."""

import gc
import os
import tracemalloc
import weakref

import pytest

from marigold.folders import threads
from toys.runs import identity, photo, run


@pytest.mark.parametrize("overlap", [True, False])
def test_nothing_piles_up_over_many_photos(tmp_path, monkeypatch, overlap):
    monkeypatch.setattr(threads, "_cores", lambda: 1)  # one photo is written at a time
    photos = [photo(tmp_path / "a.png", 9)] + [tmp_path / f"{number}.png" for number in range(39)]
    for path in photos[1:]:
        path.hardlink_to(photos[0])
    predictors, made, alive = identity(), [], []
    predict = predictors.predict

    def watched(*arguments):
        predictions = predict(*arguments)
        made.extend(weakref.ref(prediction) for prediction in predictions.values())
        alive.append(sum(prediction() is not None for prediction in made))
        return predictions

    predictors.predict = watched
    run(photos, tmp_path / "out", predictors, overlap=overlap)
    # One is being written, one waits for it, one has just been made.
    assert len(made) == 40 and max(alive) <= 3
    assert not any(prediction() for prediction in made)


def test_the_memory_of_a_run_does_not_grow_with_its_length(tmp_path):
    photos = [photo(tmp_path / "a.png", 9)] + [tmp_path / f"{number}.png" for number in range(59)]
    for path in photos[1:]:
        path.hardlink_to(photos[0])
    predictors, calls, kept = identity(), [], []
    predict = predictors.predict

    def measured(*arguments):
        calls.append(1)
        if len(calls) in (10, 60):
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])
        return predict(*arguments)

    predictors.predict = measured
    tracemalloc.start()
    try:
        run(photos, tmp_path / "out", predictors, formats="npy")
    finally:
        tracemalloc.stop()
    early, late = kept
    assert (late - early) / 50 < 1000  # bytes for each photo, whose pixels and maps take 8000


def test_overlapping_the_stages_changes_no_file(tmp_path):
    photos = [photo(tmp_path / f"{number}.png", 40 * number) for number in range(6)]
    for overlap in (True, False):
        run(photos, tmp_path / str(overlap), overlap=overlap)
    names = os.listdir(tmp_path / "True")
    assert sorted(names) == sorted(os.listdir(tmp_path / "False")) and len(names) == 24
    for name in names:
        if not name.endswith(".json"):  # which holds seconds
            assert (tmp_path / "True" / name).read_bytes() == (tmp_path / "False" / name).read_bytes()
