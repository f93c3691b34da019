"""What comes again with the same shapes is recorded and played, and gives what it gives without."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from marigold.accel import graphs as module
from marigold.accel.graphs import Graphs
from marigold.backbones.fused.ops import Plain, using
from toys.captured import captures


@pytest.fixture
def recorded(monkeypatch):
    return captures(monkeypatch)


@pytest.fixture
def few(monkeypatch):
    """Room for two recordings."""
    monkeypatch.setattr(module, "MOST", 2)


def line(x):
    return 2 * x + 1


def full(value, size=3):
    return torch.full((size,), float(value))


def test_the_second_call_of_a_size_records_and_the_later_ones_play(recorded):
    graphs, counts = Graphs(), []
    for value in range(5):
        assert graphs(line, full(value)).tolist() == [2 * value + 1] * 3
        counts.append((graphs.count, sum(graph.replays for graph in recorded)))
    assert counts == [(0, 0), (1, 1), (1, 2), (1, 3), (1, 4)]


def test_what_was_played_before_stays_as_it_was(recorded):
    graphs = Graphs()
    found = [graphs(line, full(value)) for value in range(4)]
    assert [one[0].item() for one in found] == [1, 3, 5, 7]


def test_an_input_is_read_and_never_written(recorded):
    graphs, inputs = Graphs(), [full(value) for value in range(4)]
    for one in inputs:
        graphs(line, one)
    assert [one[0].item() for one in inputs] == [0, 1, 2, 3]


def test_all_inputs_are_given_anew(recorded):
    graphs = Graphs()
    found = [graphs(torch.sub, full(9 * value), full(value)) for value in range(4)]
    assert [one[0].item() for one in found] == [0, 8, 16, 24]


@pytest.mark.parametrize(
    "other",
    [full(1, size=4), full(1).double(), torch.ones(6)[::2], full(1, size=3).view(1, 3)],
    ids=["size", "type", "layout", "axes"],
)
def test_another_kind_of_input_is_recorded_for_itself(recorded, other):
    graphs = Graphs()
    for value in (full(1), full(1), other, other):
        assert (graphs(line, value) == 3).all()
    assert graphs.count == 2


def test_functions_are_recorded_apart_and_methods_of_one_object_together(recorded):
    graphs = Graphs()
    one, other = (torch.nn.Linear(3, 3).requires_grad_(False) for _ in range(2))
    for network in (one, other, one, other, one):
        torch.testing.assert_close(graphs(network.forward, full(1)), network(full(1)))
    assert graphs.count == 2


@pytest.mark.parametrize(("free", "kept"), [(4 * 700 * 5 - 1, 1), (4 * 700 * 5, 2), (None, 1)])
def test_large_inputs_are_recorded_where_memory_is_ample(recorded, monkeypatch, free, kept):
    monkeypatch.setattr(module, "LARGEST", 4)
    monkeypatch.setattr(module, "free_bytes", lambda device: free)
    graphs = Graphs()
    for _ in range(4):
        graphs(torch.add, full(1), full(1))
        graphs(line, full(1, size=5))
    assert graphs.count == kept


def test_the_one_that_was_asked_for_longest_ago_goes_first(recorded, few):
    graphs = Graphs()
    for size in (1, 1, 2, 2, 1, 3, 3):
        graphs(line, full(1, size))
    before = len(recorded)
    for size in (1, 3):
        graphs(line, full(1, size))
    assert (graphs.count, len(recorded)) == (2, before)
    graphs(line, full(1, 2))
    assert len(recorded) == before


def test_sizes_that_take_turns_are_not_recorded_in_turns(recorded, few):
    graphs = Graphs()
    for _ in range(100):
        for size in (1, 2, 3):
            assert graphs(line, full(1, size)).tolist() == [3] * size
    assert graphs.count == 2
    # Each size is recorded at its 2nd call; then after 8, 32 and 128 more that were not played.
    assert len(recorded) <= 3 * 3


def test_what_is_forgotten_is_recorded_anew(recorded):
    graphs, network = Graphs(), torch.nn.Linear(3, 3).requires_grad_(False)
    for _ in range(2):
        graphs(network.forward, full(1))
    network.weight = torch.nn.Parameter(torch.zeros(3, 3), requires_grad=False)
    graphs.forget()
    assert graphs.count == 0
    for _ in range(3):
        assert torch.equal(graphs(network.forward, full(1)), network.bias)
    assert graphs.count == 1


def test_operations_of_one_thread_alone_are_neither_recorded_nor_played(recorded):
    graphs = Graphs()
    for _ in range(2):
        graphs(line, full(1))
    with using(Plain()):
        for _ in range(3):
            graphs(line, full(1))
            graphs(line, full(1, size=2))
    assert (graphs.count, recorded[0].replays) == (1, 1)


def test_threads_do_not_see_each_others_inputs(recorded, monkeypatch):
    graphs = Graphs()
    for _ in range(2):
        graphs(line, full(0))
    before = recorded[0].replay
    monkeypatch.setattr(recorded[0], "replay", lambda: (time.sleep(0.01), before()))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda value: graphs(line, full(value))[0].item(), range(8)))
    assert found == [2 * value + 1 for value in range(8)]


def test_a_copy_has_recorded_nothing(recorded):
    graphs = Graphs()
    for _ in range(2):
        graphs(line, full(0))
    other = copy.deepcopy(graphs)
    assert (graphs.count, other.count) == (1, 0)
    assert other(line, full(3)).tolist() == [7] * 3
