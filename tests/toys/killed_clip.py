"""`python -m toys.killed_clip FOLDER`: runs over a clip that are killed at different moments, each gone on with.

Prints, for each kill, what is left behind of files half written, and whether the results are those of a run in one go.
Processes are forked before anything is computed, so that each starts at once.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import PIL.Image

from marigold.predict.settings import Request
from marigold.video.frames import PhotoSequence
from marigold.video.options import VideoOptions
from marigold.video.run import predict_clip
from toys.killed import forked, killed_at
from toys.runs import identity

KILLS = (1, 2, 7, 14, 23, 34, 45)


def predicted(photos, output, kill=0):
    """What a child does."""
    if kill:
        killed_at(kill)
    clip, options = PhotoSequence(photos, "clip", 25), VideoOptions(carry=0.3, smooth=1)
    return predict_clip(identity(leak=0.2), clip, Request(), output, options=options, formats="npy,png16,preview")


def content(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*depth*"))}


def main(folder):
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 256, (4, 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(2)]
    photos = [folder / f"{number}.png" for number in range(5)]
    for number, path in enumerate(photos):
        PIL.Image.fromarray(scenes[number >= 3]).save(path)
    results = []
    for kill in (0, *KILLS):
        output = folder / f"out{kill}"
        ends = [os.waitpid(forked(lambda: predicted(photos, output, kill)), 0)[1]]  # noqa: B023 (used at once)
        ends += [os.waitpid(forked(lambda: predicted(photos, output)), 0)[1]]  # noqa: B023
        results.append({"ends": ends, "left": sorted(file.name for file in (output / "clip").glob(".*"))})
        results[-1]["same"] = content(output / "clip") == content(folder / "out0" / "clip")
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
