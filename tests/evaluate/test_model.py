"""Answers of anybody's object: what is taken, and what is refused with the name of the photo."""

from pathlib import Path

import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError
from marigold.evaluate.model import Model, ModelAnswers
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from toys.measured import HEIGHT, KEYS, WIDTH, Measured, Red

SAMPLE = Measured().read(Path(), KEYS[0])


class Gives:
    def __init__(self, found):
        self.found = found

    def predict(self, photo):
        return self.found


def answer(found, modality=Depth()):  # noqa: B008 frozen
    return ModelAnswers(Gives(found), modality, "rival").answer(SAMPLE).values


def test_a_model_sees_the_photo_as_bytes():
    seen = []

    class Looks(Red):
        def predict(self, photo):
            seen.append(photo)
            return super().predict(photo)

    ModelAnswers(Looks(), Depth()).answer(SAMPLE)
    (photo,) = seen
    assert (photo.dtype, photo.shape) == (np.uint8, (HEIGHT, WIDTH, 3))
    assert photo[3, 4, 0] == round(float(SAMPLE.image[0, 3, 4]) * 255)


def test_anything_with_the_method_is_a_model_and_is_called_by_its_name_or_class():
    assert isinstance(Red(), Model)
    assert ModelAnswers(Red(), Depth()).name == "red"
    assert ModelAnswers(Gives(0), Depth()).name == "Gives"
    assert ModelAnswers(Gives(0), Depth(), "mine").name == "mine"


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (1, HEIGHT, WIDTH), (HEIGHT, WIDTH, 1)])
def test_depth_may_have_its_channel_in_front_behind_or_not_at_all(shape):
    found = answer(np.arange(HEIGHT * WIDTH, dtype=np.float64).reshape(shape), Depth())
    assert found.shape == (1, HEIGHT, WIDTH) and found.dtype == torch.float32
    assert found[0, 1, 2] == WIDTH + 2


@pytest.mark.parametrize("shape", [(3, HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)])
def test_normals_may_have_channels_in_front_or_behind(shape):
    vectors = np.zeros(shape, np.float32)
    vectors[2 if shape[0] == 3 else (..., 2)] = 1
    assert answer(vectors, Normals())[2].min() == 1


def test_several_maps_come_by_name_in_any_order():
    maps = {name: np.full((HEIGHT, WIDTH), value) for name, value in (("metallicity", 0.25), ("roughness", 0.75))}
    found = answer({**maps, "albedo": np.full((HEIGHT, WIDTH, 3), 0.5)}, Appearance())
    assert found[:, 0, 0].tolist() == [0.5, 0.5, 0.5, 0.75, 0.25]


@pytest.mark.parametrize(
    ("found", "modality", "complaint"),
    [
        (
            np.zeros((HEIGHT, WIDTH + 1)),
            Depth(),
            r"depth of rival is \[12, 17\]; give \[12, 16\], the size of the photo",
        ),
        (np.zeros((2, HEIGHT, WIDTH)), Depth(), r"is \[2, 12, 16\]"),
        ("depth", Depth(), "is str, no array"),
        (None, Depth(), "is NoneType, no array"),
        (np.full((HEIGHT, WIDTH), np.nan), Depth(), "NaN or infinite"),
        (np.full((HEIGHT, WIDTH), np.inf), Depth(), "NaN or infinite"),
        (np.full((HEIGHT, WIDTH, 3), 127.0), Normals(), "reaches from 127 to 127; give unit vector from -1 to 1"),
        ({"depth": np.zeros((HEIGHT, WIDTH))}, Normals(), "rival gives no normals; give a mapping with: normals"),
        (np.zeros((HEIGHT, WIDTH, 3)), Appearance(), "rival gives no roughness, metallicity"),
        (np.zeros((HEIGHT, WIDTH), complex), Depth(), "is ndarray of complex128, no array of numbers"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_name_of_the_photo(found, modality, complaint):
    with pytest.raises(DataError, match=complaint) as caught:
        answer(found, modality)
    assert str(caught.value).startswith(f"{KEYS[0]}: ")


def test_a_model_that_fails_is_named_with_the_photo_and_its_own_words():
    class Fails:
        def predict(self, photo):
            raise RuntimeError("no such\nlayer")

    with pytest.raises(DataError, match=r"room/000.png: Fails fails \(RuntimeError: .*no such.*layer"):
        ModelAnswers(Fails(), Depth()).answer(SAMPLE)


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (np.ma.masked_less(np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH), 1), "NaN or infinite"),
        (np.zeros((HEIGHT, WIDTH), object), "is ndarray of object, no array of numbers"),
        (torch.zeros(HEIGHT, WIDTH).to_sparse(), "is Tensor of torch.float32, no array of numbers"),
        (torch.zeros(HEIGHT, WIDTH, device="meta"), "is Tensor of torch.float32, no array of numbers"),
        (np.full((HEIGHT, WIDTH), 1e300), "NaN or infinite"),
    ],
)
def test_arrays_that_hold_no_plain_numbers_are_refused(found, complaint):
    with pytest.raises(DataError, match=complaint):
        answer(found)


RAMP = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "found",
    [
        *(RAMP.astype(">f4"), RAMP.astype(np.longdouble), RAMP.astype(np.uint16), RAMP.astype(np.float16)),
        *(np.asfortranarray(RAMP), RAMP[::-1][::-1], RAMP.tolist()),
        *(torch.from_numpy(RAMP).bfloat16(), torch.from_numpy(RAMP).requires_grad_()),
    ],
)
def test_any_array_of_numbers_will_do(found):
    values = answer(found)
    assert values.dtype == torch.float32 and not values.requires_grad
    assert torch.equal(values[0], torch.from_numpy(RAMP))


def test_an_answer_stays_as_it_was_when_the_model_goes_on():
    class Reuses:
        memory = torch.zeros(HEIGHT, WIDTH)

        def predict(self, photo):
            self.memory += 1
            return self.memory

    answers = ModelAnswers(Reuses(), Depth())
    first = answers.answer(SAMPLE).values
    answers.answer(SAMPLE)
    assert first.unique().tolist() == [1]


def test_a_name_that_cannot_be_asked_for_is_told():
    class Nameless:
        @property
        def name(self):
            raise RuntimeError("no")

        def predict(self, photo):
            return RAMP

    with pytest.raises(ConfigError, match=r"Nameless: its `name` fails .*; make it text"):
        ModelAnswers(Nameless(), Depth())
