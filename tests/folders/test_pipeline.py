"""Three stages at once: order, overlap, bounds, and what happens when one of them fails."""

import gc
import threading
import time
import weakref

import pytest

from marigold.folders import pipeline
from marigold.folders.pipeline import READ_AHEAD, Threads, run_overlapped, run_serially
from marigold.predict.grouping import Group

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


def grouped(key=lambda number: number % 2, most=3):
    """Items by a key of theirs, so many at most together."""
    return {"group": lambda number: Group(key(number), most)}


def test_items_of_one_group_are_computed_together_and_finished_in_order():
    batches, finished = [], []

    def compute(items):
        batches.append(list(items))
        return items

    run_overlapped(
        range(10), lambda n: n, [compute], lambda n: None, **grouped(), finish=finished.append, threads=Threads(ahead=9)
    )
    assert batches == [[0, 2, 4], [1, 3, 5], [6, 8], [7, 9]]
    assert finished == list(range(10))


def test_items_that_are_not_read_ahead_are_not_waited_for():
    batches = []
    run_overlapped(
        range(8),
        lambda n: n,
        [lambda items: batches.append(list(items)) or items],
        lambda n: None,
        **grouped(lambda number: number == 7, 8),
        threads=Threads(ahead=3),
    )
    assert batches == [[0, 1, 2, 3], [4, 5, 6], [7]]


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("weights", [[600] * 30, [1500] * 9, [10, 3000] * 10, [400, 300, 900, 1] * 8, [0] * 9])
def test_a_batch_is_as_large_as_memory_lets_it_be(readers, weights):
    lock, held, most, finished = threading.Lock(), 0, 0, []

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

    run_overlapped(
        range(len(weights)),
        read,
        [list],
        write,
        weights.__getitem__,
        **grouped(most=16),
        finish=finished.append,
        threads=Threads(readers, 4, 32, most_held=1000),
    )
    assert finished == list(range(len(weights)))
    assert most < 1000 + readers * max(weights) + 1


def test_several_items_are_read_and_written_at_the_same_time():
    read, written = threading.Barrier(3), threading.Barrier(3)
    finished = []
    run_overlapped(
        range(6),
        lambda n: (read.wait(5) and n) or n,
        alone(lambda n: n),
        lambda n: written.wait(5),
        finish=finished.append,
        threads=Threads(3, 3, 5),
    )
    assert finished == list(range(6))


def test_several_devices_compute_at_the_same_time_and_the_order_stays():
    meeting, names, finished = threading.Barrier(2), set(), []

    def device(name):
        def compute(items):
            names.add(name)
            meeting.wait(5)
            return [(name, item) for item in items]

        return compute

    run_overlapped(
        range(10), lambda n: n, [device("a"), device("b")], lambda one: None, finish=lambda one: finished.append(one[1])
    )
    assert names == {"a", "b"} and finished == list(range(10))


def test_a_device_that_fails_ends_the_run_and_what_the_others_computed_is_written():
    finished = []

    def failing(items):
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        run_overlapped(range(500), lambda n: n, [each(lambda n: n), failing], lambda n: None, finish=finished.append)
    assert len(finished) < 100 and finished == sorted(finished)


def test_what_is_written_behind_an_item_that_fails_is_finished_at_the_end():
    finished = []

    def compute(items):
        if 1 in items:
            raise ValueError
        return items

    with pytest.raises(ValueError):
        run_overlapped(
            range(6),
            lambda n: n,
            [compute],
            lambda n: None,
            **grouped(),
            finish=finished.append,
            threads=Threads(ahead=5),
        )
    assert finished == [0, 2, 4]


def test_nothing_is_finished_after_finishing_has_failed():
    tried = []

    def finish(item):
        tried.append(item)
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        run_overlapped(range(50), lambda n: n, alone(lambda n: n), lambda n: None, finish=finish)
    assert tried == [0]


@pytest.mark.parametrize("stage", ["write", "finish", "compute"])
def test_a_late_error_in_another_thread_ends_a_run_that_waits_for_room(stage):
    """What fails keeps its bytes, and reading waits for them before anything is known of the failure."""
    reading = threading.Event()

    def read(number):
        if number == 2:
            reading.set()
        return number

    def fail(item):
        assert reading.wait(5)
        time.sleep(0.05)  # the reader is at the door by now, and the run waits for it
        raise ValueError("here")

    stages = {"compute": lambda item: item, "write": lambda item: None, "finish": lambda item: None, stage: fail}
    with pytest.raises(ValueError, match="here"):
        run_overlapped(
            range(9),
            read,
            [each(stages["compute"]) for _ in range(4)],
            stages["write"],
            lambda number: 5,
            finish=stages["finish"],
            threads=Threads(writers=4, most_held=11),
        )
