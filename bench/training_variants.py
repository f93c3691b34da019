"""The ways to make an optimizer step that `training.py` compares, in the order in which it measures them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from marigold.accel.compile import compiling
from marigold.accel.training import Bits

BACKENDS = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
CUDNN = {"": nullcontext, "cudnn": partial(sdpa_kernel, BACKENDS, set_priority=True)}
"""Contexts of attention: torch's choice, and cuDNN's kernels before all others."""
BLOCKS_AT_MOST = 64
"""Shapes of a block that are compiled."""


@dataclass(frozen=True)
class Variant:
    """One way to make an optimizer step. Its fields but `about` and `batch` change nothing but rounding."""

    about: str
    """What the table says of it."""
    batch: int = 16
    """Samples in one forward pass; as many passes follow as make up a step."""
    precision: str = "bf16"
    """`fp32`; `tf32` for matrix products too; `bf16` under autocast."""
    compiled: bool = False
    mode: str = ""
    """Mode of compilation of the denoiser; empty: the package's choice."""
    tuned: bool = False
    """Generated kernels are tuned by coordinate descent."""
    untried: bool = False
    """cuDNN chooses its algorithms by rule, though compiled."""
    channels_last: bool = False
    benchmark: bool = False
    """cuDNN tries its algorithms; compiled variants do so anyway."""
    attention: str = ""
    """Kernels of the denoiser's attention: `cudnn`, or empty for torch's choice."""
    half_encoder: bool = False
    """The frozen autoencoder is stored in bfloat16 and runs without autocast."""
    written: bool = False
    """The autoencoder's layers are compiled in the order in which diffusers computes them."""
    blocks: bool = False
    """The U-Net is compiled block by block: blocks of equal shapes share what is compiled."""
    encoder_alone: bool = False
    """Only the autoencoder is run."""
    checkpointing: bool = False
    bits: Bits = 32
    """Of the optimizer's moments."""


PUBLISHED = Variant("as published: fp32, Adam, every picture encoded", batch=2, precision="fp32")
FULL = {"batch": 32, "compiled": True}
VARIANTS = {
    "published": PUBLISHED,
    "fp32-2": Variant("ours, fp32", batch=2, precision="fp32"),
    "bf16-2": Variant("ours, bf16", batch=2),
    "bf16-16": Variant("ours, bf16"),
    "checkpointed-2": Variant("checkpointing", batch=2, checkpointing=True),
    "checkpointed-2-8bit": Variant("checkpointing, 8-bit Adam", batch=2, checkpointing=True, bits=8),
    "compiled-32": Variant("compiled", **FULL),
    "encoder-32": Variant("autoencoder alone, compiled", **FULL, encoder_alone=True),
    "encoder-32-written": Variant(
        "autoencoder alone, compiled, layers as written", **FULL, written=True, encoder_alone=True
    ),
    "compiled-32-blocks": Variant("compiled block by block", **FULL, blocks=True),
    "compiled-16": Variant("compiled", compiled=True),
    "compiled-32-untried": Variant("compiled, cuDNN's own choice of algorithms", **FULL, untried=True),
    "compiled-32-written": Variant("compiled, layers as written", **FULL, written=True),
    "compiled-32-cudnn": Variant("compiled, cuDNN's attention", **FULL, attention="cudnn"),
    "compiled-32-tuned": Variant("compiled, kernels tuned", **FULL, tuned=True),
    "compiled-32-replayed": Variant("compiled, replayed as a graph", **FULL, mode="reduce-overhead"),
    "compiled-32-searched": Variant("compiled, algorithms searched", **FULL, mode="max-autotune-no-cudagraphs"),
    "compiled-2": Variant("compiled", batch=2, compiled=True),
    "tf32-2": Variant("ours, TF32 for all products", batch=2, precision="tf32"),
    "channels-last-16": Variant("bf16, channels last", channels_last=True),
    "benchmark-16": Variant("bf16, cuDNN's algorithms tried", benchmark=True),
    "half-encoder-16": Variant("bf16, autoencoder stored in bf16", half_encoder=True),
    "cudnn-16": Variant("bf16, cuDNN's attention", attention="cudnn"),
}
REQUIRED = (
    *("published", "fp32-2", "bf16-2", "bf16-16", "checkpointed-2", "checkpointed-2-8bit"),
    *("compiled-32-written", "encoder-32-written", "encoder-32", "compiled-32-blocks", "compiled-32"),
)
"""What the report must have. Rows that compile nothing come first: each takes seconds, a compiled one minutes."""
SHARED = {"eager": VARIANTS["bf16-16"], "compiled": VARIANTS["compiled-16"]}
"""What several processes do together."""


@contextmanager
def settings(variant: Variant) -> Iterator[None]:
    """The settings of torch that a variant runs under."""
    with ExitStack() as stack:
        if variant.precision == "tf32":
            stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
            torch.set_float32_matmul_precision("high")
        if variant.compiled:
            stack.enter_context(compiling())
            stack.enter_context(torch._dynamo.config.patch(recompile_limit=BLOCKS_AT_MOST))
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=not variant.untried))
        elif variant.benchmark:
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True))
        if variant.tuned:
            from torch._inductor import config

            stack.enter_context(config.patch(coordinate_descent_tuning=True))
        yield
