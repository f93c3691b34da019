"""The most that a number of a recipe or of a document may be: far above all use, and within what can be computed."""

STEPS = 1_000_000_000
"""Optimizer steps, and periods in them."""
BATCH = 65_536
"""Samples in one forward pass, and passes for one step."""
SIDE = 1 << 14
"""Height and width of a training sample, in pixels."""
SAMPLES = 1 << 24
"""Samples that are kept or scored."""
BLOCK = 1 << 12
"""Samples that are read together."""
SAMPLING = 1000
"""Steps of sampling."""
LAYERS = 64
"""Blocks of a network, and layers of a block."""
RANK = 1 << 14
"""Rank of an adapter's factors."""
PARTS = 100
"""Sources or phases of a recipe."""
WEIGHT = 1e6
"""A term of a loss, relative to another."""
RATE = 1e38
"""A rate; nothing of its size is made, and a run that it ruins says so."""
WHOLE = (1 << 63) - 1
"""A whole number, as tensors hold it."""
ENTRIES = 10_000
"""Entries of a list in a document, such as the betas of a schedule."""
CHARACTERS = 100_000
"""A text in a document."""
TIMES = 10_000
"""Training times of a schedule."""
NUMBER = 10_000_000
"""A number in a network's configuration, of either sign."""
SETTINGS: dict[str, tuple[int, int]] = {
    "steps": (1, TIMES),
    "ensemble": (1, 10_000),
    "resolution": (0, 1_000_000),
    "seed": (0, WHOLE),
}
"""The least and the most of a prediction's whole numbers, whether a request, a card or a recipe states them."""
REFINING: dict[str, tuple[int, int]] = {
    "tile": (8, 1 << 14),
    "refiner_steps": (1, TIMES),
    "refiner_ensemble": (1, 10_000),
}
"""Of those of a prediction at high resolution."""
UPSCALE = (1.0, 64.0)
"""How many times as large the global pass a refined map may be."""
