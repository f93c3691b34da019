"""The empty prompt: computed once from a text encoder, or from one made for a generator that is trained from scratch.

Estimators are never given words. The text encoder exists for its embedding of the empty prompt alone, and so that a
saved folder is complete for other libraries.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from marigold.checkpoints import weights
from marigold.checkpoints.card import Card
from marigold.checkpoints.headers import FLOATS, read_header
from marigold.checkpoints.layout import (
    PROMPT_FILE,
    check_content,
    fetch_again,
    is_pointer,
    is_variant,
    read_json,
    weight_files,
)
from marigold.checkpoints.outline import check_numbers, guarded, outline
from marigold.core.config import require
from marigold.core.errors import CheckpointError, MissingExtraError, OutputError
from marigold.core.files import cache_folder, make_folder, reason, whole_file
from marigold.core.reading import DOCUMENT

T = TypeVar("T")

TEXT_PARTS = {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}

# Names of tensors as published checkpoints have them; some versions of transformers leave the prefix out.
_PREFIX = "text_model."
_POSITIONS = "embeddings.position_ids"

_WIDEST = 16_384
"""Numbers of one word's embedding."""
_LONGEST = 4096
"""Words of a prompt."""

TextFiles = Mapping[str, Path | bytes]
"""The files of text encoder and tokenizer by their name in a checkpoint; the content, or where it is."""


def read_prompt(parts: Mapping[str, Path], card: Card, dtype: torch.dtype | None = None) -> tuple[Tensor, bool]:
    """The empty prompt [1, L, D] and whether it is padded: read, or computed once and kept.

    It is kept beside the checkpoint, or in the user's cache where that folder cannot be written, so that the text
    encoder is loaded once. What comes of a variant in half precision, which a `dtype` of half precision takes, is kept
    in the user's cache alone: whoever asks for more computes it anew. Raises `CheckpointError` when a checkpoint holds
    neither the prompt nor what computes it.
    """
    padded, computable = card.prompt_padded, TEXT_PARTS.keys() <= parts.keys()
    beside = parts["unet"].parent / PROMPT_FILE
    rough = computable and _is_rough(parts["text_encoder"], dtype)
    cached = _cached_file(beside, padded, rough)
    for file in (parts.get(PROMPT_FILE, beside), cached):
        if file.is_file():
            prompt, stored_padded = _stored_prompt(file)
            if stored_padded == padded or not computable:
                return prompt, stored_padded
    if not computable:
        raise CheckpointError(
            f"{beside.parent}: neither {PROMPT_FILE} nor text_encoder and tokenizer are there; "
            "fetch the checkpoint with its text encoder"
        )
    prompt = _embed_empty_prompt(parts["text_encoder"], parts["tokenizer"], padded=padded, dtype=dtype)
    _keep([cached] if rough else [beside, cached], prompt, padded)
    return prompt, padded


def write_prompt(file: Path, prompt: Tensor, padded: bool) -> None:
    """Writes the empty prompt and whether it is padded; raises `OutputError`."""
    content = weights.to_bytes({"embedding": prompt}, {"padded": str(padded).lower()})
    with whole_file(file) as stream:
        stream.write(content)


def text_files(parts: Mapping[str, Path]) -> TextFiles:
    """The files of a checkpoint's text encoder and tokenizer; none unless both are there, with their content."""
    if not TEXT_PARTS.keys() <= parts.keys():
        return {}
    files = {f"{part}/{file.name}": file for part in TEXT_PARTS for file in _read_from(parts[part])}
    return {} if any(map(is_pointer, files.values())) else files


def write_text_files(files: TextFiles, folder: Path, leave_out: Collection[str] = ()) -> None:
    """Writes the files into a checkpoint folder, but for those of the parts in `leave_out`."""
    for name, content in files.items():
        file = folder / name
        if file.parent.name in leave_out:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            shutil.copyfile(content, file)


def text_bytes(files: TextFiles) -> int:
    """Bytes of the files together."""
    return sum(len(content) if isinstance(content, bytes) else content.stat().st_size for content in files.values())


def _is_rough(text_encoder: Path, dtype: torch.dtype | None) -> bool:
    """Whether a variant in half precision of the text encoder is what is read."""
    names = weight_files([file.name for file in text_encoder.glob("*")], "model", dtype)
    return any(map(is_variant, names))


def _embed_empty_prompt(text_encoder: Path, tokenizer: Path, *, padded: bool, dtype: torch.dtype | None) -> Tensor:
    """The embedding of the empty prompt [1, L, D], float32: L is 2, or the text encoder's full length when padded.

    `dtype` chooses among the forms of its weights.
    """
    transformers = _transformers("computing the empty prompt of a checkpoint")
    for file in (*_read_from(text_encoder), *_read_from(tokenizer)):
        _check_document(file)
    file = text_encoder / "config.json"
    check_numbers(read_json(file), file)
    with guarded(file, remedy=fetch_again(file)):
        config = transformers.CLIPTextConfig.from_pretrained(text_encoder)
        config._attn_implementation = None  # one that is stored may be code on the hub
        make = partial(transformers.CLIPTextModel, config)
    _check_encoder(make, text_encoder, dtype)
    with guarded(file, remedy=fetch_again(file)):
        encoder = make()
    prefix = _prefix(encoder)
    tensors = weights.read(text_encoder, "model", prefer=dtype, dtype=torch.float32)
    weights.fill(encoder, _named(tensors, prefix), text_encoder)
    with guarded(tokenizer, remedy=fetch_again(tokenizer)), torch.no_grad():
        words = transformers.CLIPTokenizer.from_pretrained(tokenizer, local_files_only=True)
        longest = encoder.config.max_position_embeddings
        padding = {"padding": "max_length", "max_length": longest} if padded else {"padding": "do_not_pad"}
        tokens = words("", return_tensors="pt", **padding)["input_ids"]
        return encoder.eval()(tokens).last_hidden_state


def _check_encoder(make: Callable[[], torch.nn.Module], folder: Path, dtype: torch.dtype | None) -> None:
    """Raises `CheckpointError` unless the folder holds the weights of what `make` constructs; none are read."""
    file, stored = folder / "config.json", weights.headers(folder, "model", prefer=dtype)
    shape = outline(make, file, remedy=fetch_again(file), most=weights.most_tensors(stored))
    weights.check(shape, _named(stored, _prefix(shape)), folder, torch.float32)


def _named(stored: Mapping[str, T], prefix: str) -> dict[str, T]:
    """What is stored of a text encoder by the names that it has here."""
    return {prefix + name.removeprefix(_PREFIX): tensor for name, tensor in stored.items() if _POSITIONS not in name}


def _check_document(file: Path) -> None:
    """Raises `CheckpointError` for a file of a text encoder or tokenizer that is none, or larger than any."""
    check_content(file)
    if file.suffix != ".safetensors" and file.stat().st_size > DOCUMENT:
        raise CheckpointError(f"{file}: more than {DOCUMENT >> 20} MB, which no file of its kind has; remove it")


def _read_from(part: Path) -> list[Path]:
    """The files that are read in the folder of a text encoder or tokenizer; raises `CheckpointError` for no folder."""
    try:
        return [file for file in sorted(part.iterdir()) if file.suffix in (".json", ".txt", ".safetensors")]
    except OSError as error:
        raise CheckpointError(f"{part}: cannot be read ({reason(error)}); {fetch_again(part)}") from error


def make_text_encoder(dim: int) -> tuple[TextFiles, Tensor]:
    """A one-layer CLIP text encoder of this width with a vocabulary of bytes: its files, the empty prompt [1, 2, dim].

    Its weights are random but always the same for one width.
    """
    transformers = _transformers("making a text encoder")
    require(1 <= dim <= _WIDEST, "recipe.network.prompt_dim", dim, f"from 1 to {_WIDEST}")
    vocabulary = _vocabulary()
    begin, end = len(vocabulary) - 2, len(vocabulary) - 1
    config = transformers.CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=dim, intermediate_size=2 * dim, num_hidden_layers=1,
        num_attention_heads=max(1, dim // 64), bos_token_id=begin, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        encoder = transformers.CLIPTextModel(config).eval()
        prompt = encoder(torch.tensor([[begin, end]])).last_hidden_state
    tensors = {_PREFIX + name.removeprefix(_PREFIX): tensor for name, tensor in encoder.state_dict().items()}
    files = {
        "text_encoder/config.json": encoder.config.to_json_string(use_diff=False).encode(),
        "text_encoder/model.safetensors": weights.to_bytes(tensors),
        "tokenizer/vocab.json": json.dumps({word: i for i, word in enumerate(vocabulary)}).encode(),
        "tokenizer/merges.txt": b"#version: 0.2\n",
        "tokenizer/tokenizer_config.json": json.dumps(_tokenizer_config(config.max_position_embeddings)).encode(),
    }
    return files, prompt


def _stored_prompt(file: Path) -> tuple[Tensor, bool]:
    from safetensors import safe_open

    stored = read_header(file).get("embedding")
    shape = stored.shape if stored and stored.kind in FLOATS else ()
    if len(shape) != 3 or shape[0] != 1 or not 1 <= shape[1] <= _LONGEST:
        raise CheckpointError(f"{file}: holds no `embedding` of shape [1, L, D]; remove the file")
    prompt = weights.read_file(file)["embedding"]
    with safe_open(file, "pt") as stored:
        return prompt, (stored.metadata() or {}).get("padded") == "true"


def _keep(files: Sequence[Path], prompt: Tensor, padded: bool) -> None:
    """Writes the prompt into the first of these files that can be written, or nowhere; the last is the user's cache."""
    for file in files:
        with contextlib.suppress(OutputError):
            if file is files[-1]:
                make_folder(file.parent)
            write_prompt(file, prompt, padded)
            return


def _cached_file(beside: Path, padded: bool, rough: bool = False) -> Path:
    """Where the prompt of a checkpoint that cannot be written to is kept, or one from weights in half precision.

    The name depends on the checkpoint's place and on when its network was written: another one there is another prompt.
    """
    config = beside.with_name("unet") / "config.json"
    written = config.stat().st_mtime_ns if config.is_file() else 0
    key = hashlib.sha256(os.fsencode(f"{beside.resolve()}/{written}/{padded}")).hexdigest()[:32]
    return cache_folder() / "prompts" / f"{key}{'.fp16' if rough else ''}.safetensors"


def _vocabulary() -> list[str]:
    """Every byte, every byte that ends a word, the first and the last token.

    Bytes are written as byte-level tokenizers do: a printable one as itself, the others as characters from 256 on.
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    letters = [chr(byte if byte in printable else next(spare)) for byte in range(256)]
    return [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]


def _tokenizer_config(length: int) -> dict[str, Any]:
    begin, end = _vocabulary()[-2:]
    names = {"bos_token": begin, "eos_token": end, "pad_token": end, "unk_token": end}
    return {**names, "model_max_length": length, "tokenizer_class": "CLIPTokenizer"}


def _prefix(encoder: torch.nn.Module) -> str:
    return _PREFIX if any(name.startswith(_PREFIX) for name in encoder.state_dict()) else ""


def _transformers(purpose: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "text", purpose) from error
    return transformers
