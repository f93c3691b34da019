"""Three stages at once: order, overlap, bounds, and what happens when one of them fails."""

import gc
import threading
import weakref

import pytest

from marigold.folders import pipeline
from marigold.folders.pipeline import READ_AHEAD, run_overlapped, run_serially

WRITE_BEHIND = 1
"""Items that may have been computed and are still to be written, where one thread writes."""


def each(compute):
    """What computes items that come together, one after the other."""
    return lambda items: [compute(item) for item in items]


def alone(compute):
    """The same for the only device."""
    return [each(compute)]


@pytest.mark.parametrize(("run", "compute"), [(run_overlapped, alone), (run_serially, each)])
def test_every_item_passes_all_stages_in_order(run, compute):
    written = []
    run(range(20), lambda n: n * 10, compute(lambda n: n + 1), written.append)
    assert written == [n * 10 + 1 for n in range(20)]


def test_nothing_to_do_is_no_problem():
    run_overlapped([], None, [None], None)


def test_the_next_item_is_read_and_the_last_one_written_while_one_is_computed():
    read_next, write_started = threading.Event(), threading.Event()

    def read(item):
        if item == 1:
            read_next.set()
        return item

    def compute(item):
        if item == 0:
            assert read_next.wait(5)
        if item == 1:
            assert write_started.wait(5)
        return item

    def write(item):
        write_started.set()

    run_overlapped([0, 1], read, alone(compute), write)


def test_stages_run_in_threads_of_their_own_and_computing_in_the_caller_s():
    threads = {}

    def stage(name):
        return lambda item: threads.setdefault(name, threading.current_thread())

    run_overlapped([0], stage("read"), alone(stage("compute")), stage("write"))
    assert threads["compute"] is threading.current_thread() and len(set(threads.values())) == 3


class Photo:
    """Something that a weak reference can watch."""


def test_few_items_are_in_memory_whatever_their_number():
    alive, most = weakref.WeakSet(), 0

    def read(item):
        photo = Photo()
        alive.add(photo)
        return photo

    def compute(photo):
        nonlocal most
        most = max(most, len(alive))
        return photo

    run_overlapped(range(200), read, alone(compute), lambda photo: None)
    gc.collect()
    # Waiting to be computed, being read, being computed, waiting to be written, being written.
    assert most <= READ_AHEAD + WRITE_BEHIND + 3
    assert len(alive) == 0


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_a_stage_raises_ends_the_run_and_later_items_are_left_alone(stage, error):
    seen = ([], [], [])

    def at(number):
        def run(item):
            seen[number].append(item)
            if number == stage and item == 3:
                raise error("three")
            return item

        return run

    with pytest.raises(error):
        run_overlapped(range(100), at(0), alone(at(1)), at(2))
    assert all(max(items) < 3 + READ_AHEAD + WRITE_BEHIND + 3 for items in seen)


def test_what_has_been_computed_is_written_before_an_error_is_raised():
    written = []

    def compute(item):
        if item == 2:
            raise ValueError
        return item

    with pytest.raises(ValueError):
        run_overlapped(range(9), lambda item: item, alone(compute), written.append)
    assert written == [0, 1]


@pytest.mark.parametrize("weights", [[600] * 30, [1500] * 20, [10, 3000] * 10, [400, 300, 900, 1] * 8, [0] * 9])
def test_as_many_bytes_are_in_memory_as_are_allowed_and_one_photo_more(monkeypatch, weights):
    monkeypatch.setattr(pipeline, "MOST_HELD", 1000)
    lock, held, most, written = threading.Lock(), 0, 0, []

    def read(number):
        nonlocal held, most
        with lock:
            held += weights[number]
            most = max(most, held)
        return number

    def write(number):
        nonlocal held
        with lock:
            held -= weights[number]
        written.append(number)

    run_overlapped(range(len(weights)), read, alone(lambda number: number), write, weights.__getitem__)
    assert written == list(range(len(weights)))
    assert most < 1000 + max(weights) + 1


def test_a_photo_that_is_too_large_for_company_is_alone(monkeypatch):
    monkeypatch.setattr(pipeline, "MOST_HELD", 1000)
    events = []
    run_overlapped(
        range(4),
        lambda item: events.append(("read", item)) or item,
        alone(lambda item: item),
        lambda item: events.append(("write", item)),
        lambda item: 1000,
    )
    assert events == [(stage, item) for item in range(4) for stage in ("read", "write")]


@pytest.mark.parametrize("stage", [1, 2])
def test_an_error_ends_a_run_that_waits_for_room(monkeypatch, stage):
    monkeypatch.setattr(pipeline, "MOST_HELD", 1)
    read = []

    def fail(item):
        raise ValueError("here")

    stages = [lambda item: read.append(item) or item, lambda item: item, lambda item: None]
    stages[stage] = fail
    with pytest.raises(ValueError, match="here"):
        run_overlapped(range(9), stages[0], alone(stages[1]), stages[2], lambda item: 5)
    assert read == [0]
