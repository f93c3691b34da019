"""When kernels are compiled, what a report says of it, and that a compiler which fails ends nothing."""

import re
import threading

import numpy as np
import pytest
import torch

from marigold.accel import kernels, runtime
from marigold.accel.graphs import Graphs
from marigold.accel.kernels import REPAYS, Compiler
from marigold.accel.plan import Plan, apply
from marigold.accel.runtime import Runtime
from marigold.backbones.base import directly
from marigold.backbones.fused.ops import Plain, Switched
from marigold.core.errors import ConfigError
from marigold.predict.predictor import Predictor
from toys.identity import Identity, identity_estimator

PHOTO = np.zeros((8, 8, 3), np.uint8)
GPU = torch.device("cuda")


def compiled():
    """Operations that somebody has compiled."""
    return Switched(Plain())


class Suited(Identity):
    """The identity, which says that its layers have been rebuilt; `given` are the operations and who runs them."""

    def __init__(self, rebuilt=True):
        super().__init__()
        self.rebuilt, self.given = rebuilt, []

    def suit_inference(self, ops, run=directly):
        self.given.append((ops, run))
        return self.rebuilt


class Compilers:
    """Stand-ins of `Compiler`, which compile when a test says so."""

    def __init__(self):
        self.kept, self.calls, self.error, self.ops = False, [], "", None

    def __call__(self, backbone, device):
        return self

    @property
    def is_kept(self):
        return self.kept

    def ready(self):
        return self.ops

    def start(self):
        self.calls.append("start")

    def finish(self):
        self.calls.append("finish")
        self.ops = None if self.error else compiled()


@pytest.fixture
def compiler(monkeypatch):
    """A device that kernels can be compiled for, and what compiles them."""
    monkeypatch.setattr(kernels, "available", lambda device: True)
    monkeypatch.setattr(runtime, "Compiler", made := Compilers())
    return made


def estimator(rebuilt=True):
    made = identity_estimator()
    made.backbone = Suited(rebuilt)
    return made


def run(compile="auto", rebuilt=True, **options):  # noqa: A002
    return Runtime(estimator(rebuilt), Plan(compile=compile, **options))


def test_auto_waits_for_as_many_photos_as_repay_it(compiler):
    found = run()
    for _ in range(REPAYS - 1):
        found.begin()
    assert compiler.calls == []
    found.begin()
    assert compiler.calls[:1] == ["start"] and not found.is_compiled


@pytest.mark.parametrize(("computed", "expected", "starts"), [(0, REPAYS, 1), (0, REPAYS - 1, 0), (1, REPAYS - 1, 1)])
def test_auto_starts_with_the_first_of_so_many_photos_to_come(compiler, computed, expected, starts):
    found = run()
    found.begin(computed)
    found.expect(expected)
    assert len(compiler.calls) == starts


def test_compiled_kernels_are_taken_between_photos_and_stay(compiler):
    found = run()
    found.expect(REPAYS)
    found.begin()
    assert found.stated()["kernels"] == "torch"
    compiler.finish()
    assert found.stated()["kernels"] == "torch"
    found.begin()
    assert found.stated()["kernels"] == "compiled"
    found.begin(REPAYS)
    assert [type(ops) for ops, _ in found.estimator.backbone.given] == [Plain, Switched]
    assert compiler.calls.count("start") == 1  # once it is compiled nothing is begun


def test_kernels_that_an_earlier_start_has_left_are_taken_at_once(compiler):
    compiler.kept = True
    assert run().is_compiled and compiler.calls == ["finish"]


def test_on_compiles_before_the_first_photo(compiler):
    assert run("on").is_compiled and compiler.calls == ["finish"]


@pytest.mark.parametrize("kept", [False, True])
def test_off_never_compiles(compiler, kept):
    compiler.kept = kept
    found = run("off")
    found.expect(10 * REPAYS)
    found.begin(10 * REPAYS)
    assert compiler.calls == [] and not found.is_compiled


@pytest.mark.parametrize(
    ("rebuilt", "there", "why"),
    [
        (True, False, "there is no Triton for this device"),
        (False, True, "this backbone has no layers that are rebuilt"),
    ],
)
def test_on_where_nothing_can_be_compiled_is_an_error(compiler, monkeypatch, rebuilt, there, why):
    monkeypatch.setattr(kernels, "available", lambda device: there)
    with pytest.raises(ConfigError, match=rf"^compile: nothing can be compiled for cpu, as {why}; use auto or off$"):
        run("on", rebuilt)


@pytest.mark.parametrize(("rebuilt", "there"), [(True, False), (False, True)])
def test_auto_where_nothing_can_be_compiled_computes_as_it_is(compiler, monkeypatch, rebuilt, there):
    monkeypatch.setattr(kernels, "available", lambda device: there)
    found = run("auto", rebuilt)
    found.begin(10 * REPAYS)
    assert compiler.calls == [] and found.stated()["kernels"] == "torch"


def test_kernels_are_not_available_on_a_cpu():
    assert not kernels.available(torch.device("cpu"))


def test_a_compiler_that_fails_is_noted_once_and_the_run_goes_on(compiler):
    compiler.error = "CalledProcessError: gcc is not there"
    compiler.kept = True
    predictor = Predictor(estimator())
    reports = [predictor.predict(PHOTO).report for _ in range(3)]
    assert [report["plan"]["kernels"] for report in reports] == ["torch"] * 3
    notes = [[note for note in report["notes"] if "kernels" in note] for report in reports]
    note = "kernels cannot be compiled (CalledProcessError: gcc is not there); torch's own compute"
    assert notes == [[note], [], []]


def test_on_with_a_compiler_that_fails_is_an_error(compiler):
    compiler.error = "OSError: gcc is not there"
    words = "compile: kernels cannot be compiled (OSError: gcc is not there); use auto or off"
    with pytest.raises(ConfigError, match=re.escape(words)):
        run("on")


@pytest.fixture
def real(monkeypatch, tmp_path):
    """Makes compilers of a device that compile by a function; their marks are in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(kernels, "available", lambda device: True)

    def make(compile, backbone=None):  # noqa: A002
        monkeypatch.setattr(kernels, "compiled", compile)
        return Compiler(backbone or Suited(), torch.device("cpu"))

    return make


def compilers():
    """The threads that compile."""
    return [thread for thread in threading.enumerate() if thread.name == "compiler"]


def fails(backbone, device):
    raise RuntimeError("no C compiler\nlook here and there")


def test_a_failure_in_the_thread_is_kept_and_ends_no_thread_with_a_traceback(real):
    compiler = real(fails)
    compiler.start()
    for thread in compilers():
        thread.join(10)
    assert compiler.error == "RuntimeError: no c compiler"
    assert compiler.ready() is None and not compiler.is_kept


def test_a_runtime_goes_on_when_the_thread_fails(real, monkeypatch):
    began = threading.Event()

    def late(backbone, device):
        began.wait(10)
        raise RuntimeError("no compiler")

    real(late)
    predictor = Predictor(estimator())
    predictor.runtime.expect(REPAYS)
    before = predictor.predict(PHOTO).report["notes"]
    (thread,) = compilers()
    began.set()
    thread.join(10)
    assert before == []
    assert predictor.predict(PHOTO).report["notes"] == [
        "kernels cannot be compiled (RuntimeError: no compiler); torch's own compute"
    ]
    predictor.runtime.expect(REPAYS)
    assert not compilers()


def test_what_is_compiled_is_found_by_the_next_start(real):
    first = real(lambda backbone, device: compiled())
    assert not first.is_kept
    first.finish()
    assert isinstance(first.ready(), Switched) and first.is_kept
    assert real(fails).is_kept


@pytest.mark.parametrize(
    "change",
    [
        lambda backbone, monkeypatch: backbone.half(),
        lambda backbone, monkeypatch: backbone.register_parameter("more", torch.nn.Parameter(torch.ones(3))),
        lambda backbone, monkeypatch: monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "another"),
        lambda backbone, monkeypatch: monkeypatch.setattr(torch, "__version__", "9.9"),
    ],
    ids=["type", "shapes", "device", "version"],
)
def test_what_is_compiled_for_other_networks_does_not_count(real, monkeypatch, change):
    real(lambda backbone, device: compiled()).finish()
    backbone = Suited()
    change(backbone, monkeypatch)
    assert not real(fails, backbone).is_kept


@pytest.fixture
def gpu(monkeypatch):
    """A device that records kernels, whose weights stay on the CPU."""
    monkeypatch.setattr(kernels, "available", lambda device: False)
    monkeypatch.setattr(runtime, "apply", lambda estimator, plan: apply(estimator, Plan(dtype=plan.dtype)))
    monkeypatch.setattr(runtime, "take_turns", lambda estimator, device: [])


@pytest.mark.parametrize(
    ("plan", "records"),
    [
        (Plan(GPU), True),
        (Plan(GPU, compile="off"), False),
        (Plan(GPU, offload=True), False),
        (Plan(), False),
    ],
    ids=["auto", "off", "offload", "cpu"],
)
def test_kernels_are_recorded_where_weights_stay_on_a_gpu(gpu, plan, records):
    found = Runtime(estimator(), plan)
    ((_, how),) = found.estimator.backbone.given
    assert isinstance(how, Graphs) if records else how is directly
    assert found.stated() == {
        "precision": "fp32",
        "layout": "channels last",
        "kernels": "torch",
        "offload": "stage" if plan.offload else "off",
        "graphs": 0,
    }
