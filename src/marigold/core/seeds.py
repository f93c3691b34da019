"""A random stream for (seed, purpose, index...): resuming, batching and threading never change what is drawn."""

import hashlib

import torch


def number(seed: int, *path: str | int) -> int:
    """A 63-bit number that depends on the seed and the path alone, the same on every machine."""
    text = "/".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little") >> 1


def stream(seed: int, *path: str | int) -> torch.Generator:
    """A CPU generator for this seed and path, such as `stream(seed, "noise", member)`."""
    return torch.Generator().manual_seed(number(seed, *path))
