"""One optimizer step of the full-size network at 480 x 640 pixels: ours in several ways against the published trainer.

python bench/training.py --device cuda --result bench/results/training.json [--variants NAME ...] [--kernels]
torchrun --nproc-per-node 2 bench/training.py --two --device cuda --result bench/results/training-two.json
python bench/training.py --report bench/results/training.json [bench/results/training-two.json]

Stable Diffusion 2's U-Net (866 million weights) and KL autoencoder, random weights, steps of 32 samples of depth. Every
figure is the median of some steps after a first one, and all ratios are of one process. The file of results is written
after every row, and no row begins after `--seconds`. `--report` makes the Markdown table beside the first file.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from training_loops import (
    Ours,
    Published,
    Variant,
    difference,
    hours,
    make_estimator,
    make_pictures,
    settings,
)

PUBLISHED = Variant("as published: fp32, Adam, every picture encoded", batch=2, precision="fp32")
FULL = {"batch": 32, "compiled": True}
FASTER = {"attention": "cudnn", "encoder_attention": "products"}
VARIANTS = {
    "published": PUBLISHED,
    "fp32-2": Variant("ours, fp32", batch=2, precision="fp32"),
    "bf16-2": Variant("ours, bf16", batch=2),
    "bf16-16": Variant("ours, bf16"),
    "compiled-32": Variant("compiled", **FULL),
    "compiled-16": Variant("compiled", compiled=True),
    "checkpointed-2": Variant("checkpointing", batch=2, checkpointing=True),
    "checkpointed-2-8bit": Variant("checkpointing, 8-bit Adam", batch=2, checkpointing=True, bits=8),
    "tf32-2": Variant("ours, TF32 for all products", batch=2, precision="tf32"),
    "channels-last-16": Variant("bf16, channels last", channels_last=True),
    "benchmark-16": Variant("bf16, cuDNN's algorithms tried", benchmark=True),
    "half-encoder-16": Variant("bf16, autoencoder stored in bf16", half_encoder=True),
    "cudnn-16": Variant("bf16, cuDNN's attention", attention="cudnn"),
    "products-16": Variant("bf16, autoencoder's attention as matrix products", encoder_attention="products"),
    "compiled-32-faster": Variant("compiled, attention by cuDNN and products", **FULL, **FASTER),
    "compiled-32-tuned": Variant("compiled, kernels tuned, attention too", **FULL, **FASTER, tuned=True),
    "compiled-32-replayed": Variant("compiled, replayed as a graph", **FULL, mode="reduce-overhead"),
    "compiled-32-searched": Variant("compiled, algorithms searched", **FULL, mode="max-autotune-no-cudagraphs"),
    "compiled-2": Variant("compiled", batch=2, compiled=True),
}
REQUIRED = (
    *("published", "fp32-2", "bf16-2", "bf16-16", "compiled-32"),
    *("cudnn-16", "products-16", "half-encoder-16", "channels-last-16"),
    *("compiled-16", "checkpointed-2", "checkpointed-2-8bit"),
)
SHARED = Variant("compiled", compiled=True)
OVERLAP = 400
"""Megabytes of gradients that travel together while the next ones are computed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny: to try the script out")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=REQUIRED, metavar="NAME")
    parser.add_argument("--samples", type=int, default=32, help="samples of one step")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps")
    parser.add_argument("--seconds", type=float, default=390, help="no row begins after so many")
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
    rows: list[dict[str, Any]] = []
    for name in options.variants:
        if time.perf_counter() - began > options.seconds:
            break
        rows.append(attempt(name, VARIANTS[name], lambda variant: measure(variant, options)))
        write(options, rows)
        say(rows[-1], time.perf_counter() - began)


def attempt(name: str, variant: Variant, work: Callable[[Variant], dict[str, Any]]) -> dict[str, Any]:
    """A variant's row; one that fails costs its own row alone."""
    row: dict[str, Any] = {"name": name, "about": variant.about, "batch": variant.batch}
    try:
        with settings(variant):
            row |= work(variant)
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    clear()
    return row


def measure(variant: Variant, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and memory of a variant's steps, and how far its numbers are from those in fp32."""
    import torch

    device, samples = options.device, options.samples
    estimator, pictures = make_estimator(options.size, device), make_pictures(options.size, variant.batch, device)
    if variant is PUBLISHED:
        return timed(Published(estimator, pictures, samples).update, options)
    with torch.no_grad():
        condition = estimator.encode_image(pictures.image[:2])
        noisy = torch.randn(pictures.image.shape[0], *condition.shape[1:], generator=torch.Generator().manual_seed(0))
        noisy, t = noisy.to(device), torch.full((2,), 500, device=device)
        reference = estimator.backbone.network(noisy[:2], t, condition)
    clear()
    began = time.perf_counter()
    step = Ours(estimator, pictures, samples, variant)
    latents = step.prepare()
    row = {"latents_differ": difference(latents["condition"], condition)}
    row["output_differs"] = difference(step.output(noisy, latents["condition"]).detach(), reference)
    row |= timed(step.update, options, began)
    row["cached_ms"] = median(lambda: step.update(latents), options) * 1e3 / samples
    if options.kernels and variant.compiled:
        row["kernels"] = {
            "encode": kernels(step.prepare, variant.batch),
            "step": kernels(lambda: step.update(latents), samples),
        }
    return row


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


def kernels(work: Callable[[], object], samples: int, most: int = 16) -> dict[str, float]:
    """The slowest kernels of one call in milliseconds a sample, and all of them together."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        work()
    spent = {event.key[:90]: event.self_device_time_total / 1e3 / samples for event in trace.key_averages()}
    slowest = sorted(spent, key=lambda name: -spent[name])[:most]
    return {"all": sum(spent.values()), **{name: spent[name] for name in slowest}}


def compare_processes(options: argparse.Namespace) -> None:
    """Steps of each process alone, of all together with as many samples, and with as many for each."""
    import torch.distributed as distributed

    rank = int(os.environ["LOCAL_RANK"])
    if options.device != "cpu":
        import torch

        torch.cuda.set_device(rank)
    distributed.init_process_group("gloo" if options.device == "cpu" else "nccl")
    rows: list[dict[str, Any]] = []
    for name, overlap in (("whole", 0), ("overlapped", OVERLAP)):
        row = attempt(name, SHARED, lambda variant, overlap=overlap: measure_shared(variant, options, overlap))
        rows.append(row)
        if rank == 0:
            write(options, rows, processes=distributed.get_world_size())
            say(row, 0.0)
    distributed.destroy_process_group()


def measure_shared(variant: Variant, options: argparse.Namespace, overlap: int) -> dict[str, Any]:
    """Milliseconds a sample of one process, and of all together; gradients travel at the end, or in parts."""
    import torch
    import torch.distributed as distributed

    count, alone, device = distributed.get_world_size(), options.samples, options.device
    batch = min(variant.batch, alone // count)
    step = Ours(make_estimator(options.size, device), make_pictures(options.size, batch, device), alone, variant)
    latents = step.prepare()
    row: dict[str, Any] = {"processes": count, "batch": batch}
    if not overlap:
        seconds(step.update, device)
        row["one_ms"] = median(step.update, options) * 1e3 / alone
        row["one_cached_ms"] = median(lambda: step.update(latents), options) * 1e3 / alone
    step.share(**({"bucket_cap_mb": overlap} if overlap else {}))
    with torch._dynamo.config.patch(optimize_ddp=bool(overlap)):
        for kind, parts in (("same", alone // batch // count), ("each", alone // batch)):
            step.parts, together = parts, count * parts * batch
            distributed.barrier()
            seconds(step.update, device)
            row[f"{kind}_ms"] = median(step.update, options) * 1e3 / together
            row[f"{kind}_cached_ms"] = median(lambda: step.update(latents), options) * 1e3 / together
    return row


def clear() -> None:
    """Drops what a variant left behind."""
    import torch

    gc.collect()
    if "torch._dynamo" in sys.modules:  # which it is only where something was compiled
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
    print(f"{passed:5.0f} s  {row['name']}: {row.get('error') or json.dumps(numbers)}", flush=True)


def report(files: list[Path]) -> None:
    """The results as Markdown, beside the first file."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    text = "\n\n".join(shared_table(one) if one["processes"] > 1 else table(one) for one in results)
    files[0].with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


def table(result: dict[str, Any]) -> str:
    """One process: a line for each variant, its ratio to the published loop, and the hours of a published run."""
    rows = result["rows"]
    published = next((row["ms"] for row in rows if row["name"] == "published" and "ms" in row), float("nan"))
    head = (
        f"{result['device']}, torch {result['torch']}; steps of {result['samples']} samples; network: {result['size']}"
    )
    title = (
        "| variant | in a pass | ms a sample | times as fast | ms, latents cached | times as fast | peak GB "
        "| hours | hours, cached | latents differ by | output differs by |"
    )
    lines = [f"| {row['about']} | {row['batch']} | {_cells(row, published)} |" for row in rows]
    return "\n".join([head, "", title, f"|---|{'---:|' * 10}", *lines])


def _cells(row: dict[str, Any], published: float) -> str:
    if "error" in row:
        return f"{row['error'].replace('|', '/')} |" + " |" * 7
    whole, cached = row["ms"], row.get("cached_ms")
    cells = [f"{whole:.1f}", f"{published / whole:.1f}"]
    cells += [f"{cached:.1f}", f"{published / cached:.1f}"] if cached else ["", ""]
    cells += [f"{row['peak_gb']:.1f}" if "peak_gb" in row else "", f"{hours(whole):.1f}"]
    cells += [f"{hours(cached):.1f}" if cached else ""]
    cells += [f"{row[key]:.1e}" if key in row else "" for key in ("latents_differ", "output_differs")]
    return " | ".join(cells)


def shared_table(result: dict[str, Any]) -> str:
    """Several processes: milliseconds a sample, and how many times as fast as one process they are together."""
    one = next((row for row in result["rows"] if "one_ms" in row), {})
    lines = []
    for row in result["rows"]:
        if "error" in row:
            lines.append(f"| {row['name']} | {row['error'].replace('|', '/')} |" + " |" * 3)
            continue
        for kind, title in (("same", f"{result['samples']} together"), ("each", f"{result['samples']} each")):
            pairs = [(row[f"{kind}{rest}"], one.get(f"one{rest}", float("nan"))) for rest in ("_ms", "_cached_ms")]
            cells = " | ".join(f"{shared:.2f} | {alone / shared:.2f}" for shared, alone in pairs)
            lines.append(f"| gradients {row['name']}, {title} | {cells} |")
    alone = f"one: {one['one_ms']:.2f} ms a sample, {one['one_cached_ms']:.2f} with cached latents" if one else ""
    title = "| samples of a step | ms a sample | times one | ms, latents cached | times one |"
    head = f"{result['processes']} x {result['device']}, torch {result['torch']}; {alone}"
    return "\n".join([head, "", title, f"|---|{'---:|' * 4}", *lines])


if __name__ == "__main__":
    main()
