"""The order of samples is a function of the seed and the position."""

from marigold.data.order import BLOCK, Epochs, Order


def test_a_source_is_drawn_as_often_as_its_weight_says():
    order = Order([0.9, 0.1], seed=3)
    drawn = [order.at(position)[0] for position in range(4000)]
    assert abs(drawn.count(0) / 4000 - 0.9) < 0.02


def test_the_turns_of_a_source_follow_each_other():
    order, turns = Order([0.5, 0.49, 0.01], seed=1), {0: [], 1: [], 2: []}
    for position in range(3 * BLOCK):
        source, turn = order.at(position)
        turns[source].append(turn)
    assert all(found == list(range(len(found))) for found in turns.values())


def test_an_order_asked_late_says_what_one_asked_from_the_start_says():
    asked = Order([0.7, 0.3], seed=5)
    found = [asked.at(position) for position in range(2 * BLOCK + 7)]
    assert Order([0.7, 0.3], seed=5).at(2 * BLOCK + 6) == found[-1]
    assert [asked.at(position) for position in (0, BLOCK, 1)] == [found[0], found[BLOCK], found[1]]


def test_a_source_of_weight_0_is_never_drawn():
    order = Order([0.0, 1.0], seed=0)
    assert {order.at(position)[0] for position in range(500)} == {1}


def test_an_epoch_holds_every_place_once_and_the_next_one_in_another_order():
    epochs = Epochs(40, seed=2)
    first, second = ([epochs.place(index) for index in range(start, start + 40)] for start in (0, 40))
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert first != list(range(40))
    assert Epochs(40, seed=2).place(57) == second[17]
