"""One optimizer step of the full-size network at 480 x 640 pixels: ours in several ways against the published trainer.

python bench/training.py --device cuda --result bench/results/training.json [--variants NAME ...] [--kernels]
torchrun --nproc-per-node 2 bench/training.py --two --device cuda --result bench/results/training-two.json
python bench/training.py --report bench/results/training.json [bench/results/training-two.json]

Stable Diffusion 2's U-Net (866 million weights) and KL autoencoder, random weights, steps of 32 samples of depth. Every
figure is the median of some steps after a first one, and all ratios are of one process. The file of results is written
after every row, and no row begins after `--seconds`. `--report` makes the page beside the first file, and says there
what is missing.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from marigold.accel.parallel import World, joined
from random_networks import make_estimator
from training_loops import Ours, Published, difference, make_pictures
from training_report import page
from training_variants import PUBLISHED, REQUIRED, SHARED, VARIANTS, Variant, settings

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny: to try the script out")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=REQUIRED, metavar="NAME")
    parser.add_argument("--samples", type=int, default=32, help="samples of one step")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps")
    parser.add_argument("--seconds", type=float, default=450, help="no row begins after so many")
    parser.add_argument("--kernels", action="store_true", help="also list the slowest kernels of compiled variants")
    parser.add_argument("--two", action="store_true", help="several GPUs against one; started by torchrun")
    parser.add_argument("--result", type=Path, default=Path(__file__).parent / "results" / "training.json")
    parser.add_argument("--report", type=Path, nargs="+", help="make the table of these results")
    options = parser.parse_args()
    if options.report:
        report(options.report)
    elif options.two:
        compare_processes(options)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """A row for each variant, in the order asked for."""
    began = time.perf_counter()
    rows: list[Row] = []
    for name in options.variants:
        if time.perf_counter() - began > options.seconds:
            break
        rows.append(attempt(name, VARIANTS[name], lambda variant, row: measure(variant, options, row)))
        write(options, rows)
        say(rows[-1], time.perf_counter() - began)


def attempt(name: str, variant: Variant, work: Callable[[Variant, Row], object]) -> Row:
    """A variant's row, which `work` fills in; one that fails costs the rest of its own row alone."""
    row: Row = {"name": name, "about": variant.about, "batch": variant.batch}
    try:
        with settings(variant):
            work(variant, row)
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    clear()
    return row


def measure(variant: Variant, options: argparse.Namespace, row: Row) -> None:
    """Seconds and memory of a variant's steps, and how far its numbers are from those in fp32."""
    import torch

    device, samples = options.device, options.samples
    estimator, pictures = make_estimator(options.size, device), make_pictures(options.size, variant.batch, device)
    if variant is PUBLISHED:
        row |= timed(Published(estimator, pictures, samples).update, options)
        return
    with torch.no_grad():
        condition = estimator.encode_image(pictures.image[:2])
        noisy = torch.randn(pictures.image.shape[0], *condition.shape[1:], generator=torch.Generator().manual_seed(0))
        noisy, t = noisy.to(device), torch.full((2,), 500, device=device)
        reference = estimator.backbone.network(noisy[:2], t, condition)
    clear()
    began, before = time.perf_counter(), compiled()
    step = Ours(estimator, pictures, samples, variant)
    latents = step.prepare()
    row["latents_differ"] = difference(latents["condition"], condition)
    row["first_encode_seconds"] = time.perf_counter() - began
    row["encode_ms"] = median(step.prepare, options) * 1e3 / variant.batch
    if not variant.encoder_alone:
        row["output_differs"] = difference(step.output(noisy, latents["condition"]).detach(), reference)
        row |= timed(step.update, options, began)
        row["cached_ms"] = median(lambda: step.update(latents), options) * 1e3 / samples
    row["compile_seconds"], row["graphs"] = (now - then for now, then in zip(compiled(), before, strict=True))
    if options.kernels and variant.compiled:
        row["kernels"] = {"encode": kernels(step.prepare, variant.batch)}
        if not variant.encoder_alone:
            row["kernels"]["step"] = kernels(lambda: step.update(latents), samples)


def timed(update: Callable[[], object], options: argparse.Namespace, began: float = 0.0) -> dict[str, float]:
    """Milliseconds a sample and the peak of memory in GB (10^9 bytes), after a first step.

    `first_seconds` is the time until that step is done, compilation included; since `began` where that is given.
    """
    import torch

    began = began or time.perf_counter()
    seconds(update, options.device)
    first = time.perf_counter() - began
    if cuda := options.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    row = {"first_seconds": first, "ms": median(update, options) * 1e3 / options.samples}
    return {**row, "peak_gb": torch.cuda.max_memory_allocated() / 1e9} if cuda else row


def median(update: Callable[[], object], options: argparse.Namespace) -> float:
    return statistics.median(seconds(update, options.device) for _ in range(options.repeats))


def seconds(update: Callable[[], object], device: str) -> float:
    """The time of one call, the device's work included."""
    import torch

    synchronize = nullcontext if device == "cpu" else torch.cuda.synchronize
    synchronize()
    since = time.perf_counter()
    update()
    synchronize()
    return time.perf_counter() - since


def kernels(work: Callable[[], object], samples: int, most: int = 24) -> dict[str, float]:
    """The slowest kernels of a call in milliseconds a sample, all of them together, and the time that they span.

    Operators of torch that start kernels are listed by the shapes that they are given.
    """
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    work()
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        work()
    ran = [event for event in trace.events() or [] if event.device_type == DeviceType.CUDA]
    spent, started = Counter[str](), Counter[str]()
    for event in ran:
        spent[event.name] += event.time_range.elapsed_us() / 1e3 / samples
    span = max(event.time_range.end for event in ran) - min(event.time_range.start for event in ran)
    # Apart, as ranges that the processor marks would count as kernels.
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], record_shapes=True) as trace:
        work()
    for event in trace.key_averages(group_by_input_shape=True):
        if event.key.startswith("aten::"):
            started[f"{event.key} {event.input_shapes}"] += event.self_device_time_total / 1e3 / samples
    return {"all": spent.total(), "span": span / 1e3 / samples, **_largest(spent, most), **_largest(started, most)}


def _largest(found: Counter[str], most: int) -> dict[str, float]:
    """The first 160 letters of the names, which may be those of several; their times add up."""
    short = Counter[str]()
    for name, value in found.items():
        short[name[:160]] += value
    return dict(short.most_common(most))


def compiled() -> tuple[float, int]:
    """The seconds that this process has spent on compilation, cuDNN's trials aside, and the graphs that came of it."""
    compiler = sys.modules.get("torch._dynamo.utils")  # which is there only once something was compiled
    if not compiler:
        return 0.0, 0
    return compiler.calculate_time_spent()["total_wall_time"], compiler.counters["stats"]["unique_graphs"]


def compare_processes(options: argparse.Namespace) -> None:
    """Steps of each process alone, of all together with as many samples, and with as many for each."""
    import torch

    rows: list[Row] = []
    began = time.perf_counter()
    with joined(options.device) as (world, options.device):
        for name, variant in SHARED.items():
            passed = torch.tensor(time.perf_counter() - began, device=options.device)
            if world.total(passed) / world.size > options.seconds:
                break
            rows.append(attempt(name, variant, lambda variant, row: measure_shared(variant, options, world, row)))
            if world.is_first:
                write(options, rows, processes=world.size)
                say(rows[-1], time.perf_counter() - began)


def measure_shared(variant: Variant, options: argparse.Namespace, world: World, row: Row) -> None:
    """Milliseconds a sample of one process, and of all together by the package's `Replicas`."""
    count, alone, device = world.size, options.samples, options.device
    batch = min(variant.batch, alone // count)
    step = Ours(make_estimator(options.size, device), make_pictures(options.size, batch, device), alone, variant)
    latents = step.prepare()
    row |= {"processes": count, "batch": batch}
    seconds(step.update, device)
    row["one_ms"] = median(step.update, options) * 1e3 / alone
    row["one_cached_ms"] = median(lambda: step.update(latents), options) * 1e3 / alone
    step.share(world)
    for kind, parts in (("same", alone // batch // count), ("each", alone // batch)):
        step.parts, together = parts, count * parts * batch
        world.wait()
        seconds(step.update, device)
        row[f"{kind}_ms"] = median(step.update, options) * 1e3 / together
        row[f"{kind}_cached_ms"] = median(lambda: step.update(latents), options) * 1e3 / together


def clear() -> None:
    """Drops what a variant left behind."""
    import torch

    gc.collect()
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def write(options: argparse.Namespace, rows: list[dict[str, Any]], processes: int = 1) -> None:
    """The results so far, and where they were measured."""
    import torch

    from marigold.core.files import write_json

    device = torch.cuda.get_device_name() if options.device != "cpu" else "CPU"
    where = {"device": device, "torch": torch.__version__, "size": options.size, "samples": options.samples}
    options.result.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.result, {**where, "processes": processes, "rows": rows})


def say(row: dict[str, Any], passed: float) -> None:
    numbers = {key: round(value, 3) for key, value in row.items() if isinstance(value, float)}
    print(f"{passed:5.0f} s  {row['name']}: {json.dumps(numbers)} {row.get('error', '')}".rstrip(), flush=True)


def report(files: list[Path]) -> None:
    """The results as Markdown, beside the first file."""
    text = page([json.loads(file.read_text(encoding="utf-8")) for file in files])
    files[0].with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
