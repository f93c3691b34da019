"""What an evaluation costs: milliseconds of the metrics of one map, and the share of the harness in a whole run.

python bench/evaluate.py --result bench/results/evaluate-cpu.json                       the metrics
python bench/evaluate.py --device cuda --count 654 --result bench/results/evaluate-gpu.json     and the share
python bench/evaluate.py --report                       writes bench/results/evaluate.md from all of these files

The metrics are those of maps of 768 x 1024 pixels with noise, a tenth of them invalid: on two threads by the clock, and
the processor time on one thread, which other programs on the machine change little.

The share is that of a run of `marigold evaluate` on made-up photos of 480 x 640 pixels, stored as NYUv2's, by a network
with random weights (`random_networks.make_estimator`) in the setting of the published depth tables, one step and ten
members. It is what the whole run takes, from finding the files to the page of pictures, above what the predictor alone
takes for as many photos, which are measured before and after it in the same process. With `--size tiny` it runs on a
CPU in seconds.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from marigold.accel.plan import make_plan
from marigold.accel.precision import precision_name
from marigold.core.config import encode
from marigold.core.errors import ConfigError
from marigold.core.sample import Sample
from marigold.datasets.nyuv2 import NyuV2
from marigold.evaluate import run
from marigold.evaluate.answers import Answers
from marigold.evaluate.source import Checkpoint
from marigold.evaluate.suite import Suite, SuiteSet
from marigold.measure.alignment import Protocol
from marigold.modalities.appearance import Appearance
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.predict.predictor import Predictor

RESULTS = Path(__file__).parent / "results"
HEIGHT, WIDTH = 768, 1024
SPACES, FITS = ("depth", "disparity", "log"), ("least-squares", "l1", "ransac", "median", "scale")
DISTINCT = 16
"""Different photos; the rest are copies of them."""
PREDICTION = {"steps": 1, "ensemble": 10, "tta": "none", "sizing": "longest", "seed": 1234}
SIZES = {"full": {**PREDICTION, "resolution": 0}, "tiny": {**PREDICTION, "resolution": 64}}
MOST_MILLISECONDS, MOST_SHARE = 60, 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--result", type=Path, default=RESULTS / "evaluate-cpu.json")
    parser.add_argument("--repeats", type=int, default=30, help="times that each metric is measured; 0 leaves it out")
    parser.add_argument("--threads", type=int, default=2, help="threads of the metrics")
    parser.add_argument("--count", type=int, default=0, help="photos of the run; 0 leaves it out")
    parser.add_argument("--alone", type=int, default=32, help="photos of the predictor alone, before and after the run")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--report", action="store_true", help="write the page from results, and measure nothing")
    options = parser.parse_args()
    if options.report:
        text = report([json.loads(file.read_text()) for file in sorted(RESULTS.glob("evaluate-*.json"))])
        (RESULTS / "evaluate.md").write_text(text + "\n")
        print(text)
        return
    found: dict[str, Any] = {"machine": machine(options.threads)}
    if options.count:
        found["share"] = share(options)
        options.result.write_text(json.dumps(found, indent=1) + "\n")
    if options.repeats:
        found["metrics"] = metrics(options.repeats, options.threads)
    options.result.write_text(json.dumps(found, indent=1) + "\n")
    print(report([found]))


def machine(threads: int) -> dict[str, Any]:
    """What figures depend on; the load is that before anything is measured."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "torch": torch.__version__,
        "threads": threads,
        "load": round(os.getloadavg()[0], 1),
    }


def metrics(repeats: int, threads: int) -> list[dict[str, Any]]:
    """Milliseconds of the standard metrics of one sample, for every modality and protocol."""
    before = torch.get_num_threads()
    found = []
    for name, modality, values, sample, protocol in cases():
        work = partial(modality.score, values, sample, protocol)
        torch.set_num_threads(threads)
        taken = milliseconds(work, repeats, time.perf_counter)
        torch.set_num_threads(1)
        processor = min(milliseconds(work, repeats, time.process_time))
        found.append({"case": name, "median": statistics.median(taken), "least": min(taken), "processor": processor})
        print(f"{name}: {found[-1]['median']:.0f} ms, on one thread {processor:.0f} ms of the processor", flush=True)
    torch.set_num_threads(before)
    return found


def milliseconds(work: Callable[[], object], repeats: int, clock: Callable[[], float]) -> list[float]:
    """After one call that does not count."""
    work()
    taken = []
    for _ in range(repeats):
        since = clock()
        work()
        taken.append(1000 * (clock() - since))
    return taken


def cases() -> list[tuple[str, Modality, Tensor, Sample, Protocol]]:
    """What is measured: name, modality, prediction, truth, protocol."""
    sample, noise = made_sample(), torch.rand(9, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    depth = (0.08 * sample.maps["depth"] + 0.02 * noise[:1]).clamp(0, 1)
    found: list[tuple[str, Modality, Tensor, Sample, Protocol]] = []
    for space in SPACES:
        values = {"depth": depth, "disparity": 1 / (depth + 0.1), "log": (depth + 0.1).log()}[space]
        for fit in FITS:
            try:
                protocol = Protocol(space, 1e-3, 10.0, fit)  # type: ignore[arg-type]
            except ConfigError:
                continue
            found.append((f"depth, {fit} in {space}", Depth(), values, sample, protocol))
    found.append(
        ("depth, no alignment", Depth(), sample.maps["depth"] + noise[:1], sample, Protocol("none", 1e-3, 10.0))
    )
    directions = torch.nn.functional.normalize(sample.maps["normals"] + 0.2 * noise[:3], dim=0)
    for pooling in ("image", "pixel"):
        protocol = Protocol("none", pooling=pooling)
        found.append((f"normals, means over {pooling}s", Normals(), directions, sample, protocol))
    found.append(("appearance", Appearance(), noise[:5], sample, Protocol("none")))
    found.append(("lighting", Lighting(), noise, sample, Protocol("none")))
    return found


def made_sample() -> Sample:
    """Noise for every field; a tenth of the pixels is invalid."""
    rng = torch.Generator().manual_seed(0)
    shape = {"depth": 1, "normals": 3, "albedo": 3, "roughness": 1, "metallicity": 1, "shading": 3, "residual": 3}
    maps = {name: torch.rand(channels, HEIGHT, WIDTH, generator=rng) for name, channels in shape.items()}
    maps["depth"] = 0.5 + 9 * maps["depth"]
    maps["normals"] = torch.nn.functional.normalize(maps["normals"] - 0.5, dim=0)
    valid = torch.rand(1, HEIGHT, WIDTH, generator=rng) > 0.1
    return Sample("made", torch.rand(3, HEIGHT, WIDTH, generator=rng), maps, dict.fromkeys(maps, valid))


def share(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a whole evaluation and of the predictor alone, for as many photos."""
    from random_networks import make_estimator

    prediction = SIZES[options.size]
    predictor = Predictor(make_estimator(options.size, options.device), make_plan(options.device, options.precision))
    source = Checkpoint(predictor, name="random weights")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_rooms(root / "nyuv2", options.count)
        suite = Suite("Bench", (SuiteSet("NYUv2", NyuV2(), "test", "nyuv2", prediction=prediction),))
        keys = NyuV2().scan(root / "nyuv2", "test")
        samples = [NyuV2().read(root / "nyuv2", key) for key in keys[: options.alone]]
        answers = source.answers(prediction)
        each_photo(answers, samples[:2])  # kernels are chosen and memory is taken
        alone = [each_photo(answers, samples)]
        since = time.perf_counter()
        outcome = run.run("bench", suite, source, run.Where(root, root / "results", progress=False))
        seconds = time.perf_counter() - since
        alone.append(each_photo(answers, samples))
    (one,) = outcome.summary["sets"]
    if one["count"] != options.count or one["holes"]:
        raise RuntimeError(f"{one['count']} of {options.count} photos, {len(one['holes'])} of them without a score")
    return {
        "device": outcome.summary["versions"]["device"],
        "size": options.size,
        "precision": precision_name(predictor.plan.dtype),
        "count": options.count,
        "prediction": prediction,
        "dataset": encode(NyuV2())["name"],
        "alone": alone,
        "seconds": seconds,
        "stages": one["seconds"],
    }


def each_photo(answers: Answers, samples: Sequence[Sample]) -> float:
    """Mean seconds that the predictor takes for a photo in memory."""
    since = time.perf_counter()
    for sample in samples:
        answers.answer(sample)
    return (time.perf_counter() - since) / len(samples)


def write_rooms(root: Path, count: int) -> None:
    """A tree as NYUv2's published one: photos with noise, and depth of 1 to 6 m, a part of it missing."""
    rng = np.random.default_rng(0)
    folder = root / "test" / "room_0001"
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:480, :640]
    for number in range(count):
        files = [folder / f"{kind}_{number:04}.png" for kind in ("rgb", "depth")]
        if number >= DISTINCT:
            for file in files:
                shutil.copyfile(file.with_stem(f"{file.stem[:-4]}{number % DISTINCT:04}"), file)
            continue
        grey = 128 + 60 * np.sin(columns / (20 + number)) * np.cos(rows / 35)
        photo = grey[..., None] + rng.normal(0, 4, (480, 640, 3))
        depth = (1000 + 8 * columns + rng.normal(0, 20, (480, 640))) * (rng.random((480, 640)) > 0.1)
        PIL.Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(files[0])
        PIL.Image.fromarray(depth.clip(0, 65535).astype(np.uint16)).save(files[1])


def report(results: list[dict[str, Any]]) -> str:
    """The page: a part for each machine."""
    lines = ["Written by `python bench/evaluate.py --report`."]
    for result in results:
        facts = result["machine"]
        lines += ["", f"## {facts['cores']} cores ({facts['processor']}), torch {facts['torch']}"]
        lines += metrics_table(result["metrics"], facts) if "metrics" in result else []
        lines += share_table(result["share"]) if "share" in result else []
    return "\n".join(lines)


def metrics_table(rows: list[dict[str, Any]], facts: dict[str, Any]) -> list[str]:
    slow = [
        row["case"]
        for row in rows
        if row["case"].startswith("depth") and min(row["least"], row["processor"]) > MOST_MILLISECONDS
    ]
    return [
        "",
        f"Metrics of one map of {HEIGHT} x {WIDTH} pixels, alignment included, in milliseconds; the load average was",
        f"{facts['load']} before the run: the clock is believed as far as that is near 0.",
        "",
        f"| modality and protocol | {facts['threads']} threads, median | least | processor time, one thread |",
        "|---|---:|---:|---:|",
        *(f"| {row['case']} | {row['median']:.0f} | {row['least']:.0f} | {row['processor']:.0f} |" for row in rows),
        "",
        f"Depth is to take less than {MOST_MILLISECONDS} ms on two cores. Above it by the clock and the",
        f"processor time: {'; '.join(slow) or 'none'}.",
    ]


def share_table(found: dict[str, Any]) -> list[str]:
    each = statistics.mean(found["alone"])
    alone = each * found["count"]
    part = (found["seconds"] - alone) / found["seconds"]
    stages = found["stages"]
    how = f"{found['prediction']['steps']} step x {found['prediction']['ensemble']} members, {found['precision']}"
    rows = {
        "predictor alone, before the run": f"{found['alone'][0] * found['count']:.1f}",
        "predictor alone, after the run": f"{found['alone'][1] * found['count']:.1f}",
        "the whole evaluation": f"{found['seconds']:.1f}",
        "of it in the predictor": f"{stages['predict']:.1f}",
        "beside it in threads: reading": f"{stages['read']:.1f}",
        "beside it in threads: scoring, with ceiling and baselines": f"{stages['score']:.1f}",
        "share of the harness": f"{part:.1%}",
    }
    verdict = "kept" if part < MOST_SHARE else "not kept"
    return [
        *("", f"{found['count']} photos of 480 x 640 pixels, {how}, {found['size']} size, {found['device']}.", ""),
        *("| | seconds |", "|---|---:|"),
        *(f"| {name} | {value} |" for name, value in rows.items()),
        *("", f"The harness is to take less than {MOST_SHARE:.0%} on a GPU at full size: {verdict} here."),
    ]


if __name__ == "__main__":
    main()
