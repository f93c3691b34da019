"""From the hub comes what is needed and nothing else, once; without a network the cache serves, or an error helps."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from marigold import checkpoint
from marigold.checkpoints.cache import cached
from marigold.checkpoints.hub import needed
from marigold.checkpoints.layout import PROMPT_FILE, weight_files
from marigold.core.errors import CheckpointError
from marigold.predict.together import load_together
from toys.hub import COMMIT, serving
from toys.published import marigold

# As public repositories of this layout list their files.
FIRST = [
    ".gitattributes", "README.md", "model_index.json", "scheduler/scheduler_config.json",
    "text_encoder/config.json", "text_encoder/model.fp16.safetensors", "text_encoder/model.safetensors",
    "text_encoder/pytorch_model.bin", "tokenizer/merges.txt", "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json", "tokenizer/vocab.json", "unet/config.json",
    "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors", "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.safetensors",
]  # fmt: skip


def test_one_form_of_the_weights_is_needed_and_no_pickle():
    assert needed(FIRST) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]


def test_a_stored_prompt_makes_text_encoder_and_tokenizer_unnecessary():
    found = needed([*FIRST, "empty_prompt.safetensors", "card.json"])
    assert {name.partition("/")[0] for name in found} == {
        "card.json", "empty_prompt.safetensors", "model_index.json", "scheduler", "unet", "vae",
    }  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_networks_in_half_precision_need_the_variant_in_half_precision(dtype):
    assert [name for name in needed(FIRST, dtype) if name.endswith(".safetensors")] == [
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]


@pytest.mark.parametrize(
    ("names", "dtype", "expected"),
    [
        (["m.safetensors", "m.fp16.safetensors"], torch.bfloat16, ["m.fp16.safetensors"]),
        (["m.safetensors", "m.fp16.safetensors"], torch.float32, ["m.safetensors"]),
        (["m.safetensors", "m.fp16.safetensors"], torch.float64, ["m.safetensors"]),
        (["m.safetensors", "m.bf16.safetensors"], torch.float16, ["m.safetensors"]),  # bfloat16 is coarser
        (["m.fp16.safetensors", "m.bf16.safetensors"], torch.bfloat16, ["m.bf16.safetensors"]),
        (["m.safetensors"], torch.float16, ["m.safetensors"]),
        (
            ["m.safetensors", "m.safetensors.index.fp16.json", "m.fp16-00001-of-00001.safetensors"],
            torch.float16,
            ["m.safetensors.index.fp16.json", "m.fp16-00001-of-00001.safetensors"],
        ),
    ],
)
def test_the_variant_is_taken_by_the_number_type_of_the_network(names, dtype, expected):
    assert weight_files(names, "m", dtype) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["m.safetensors", "m.fp16.safetensors"], ["m.safetensors"]),
        (["m.bin", "m.fp16.safetensors"], ["m.fp16.safetensors"]),
        (["m.bf16.safetensors", "m.bin"], ["m.bf16.safetensors"]),
        (["m.bin"], []),
        (
            ["m.safetensors.index.json", "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors",
             "m.safetensors.index.fp16.json", "m.fp16-00001-of-00001.safetensors"],
            ["m.safetensors.index.json", "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"],
        ),
        (
            ["m.safetensors.index.fp16.json", "m.fp16-00001-of-00002.safetensors", "m.fp16-00002-of-00002.safetensors"],
            ["m.safetensors.index.fp16.json", "m.fp16-00001-of-00002.safetensors", "m.fp16-00002-of-00002.safetensors"],
        ),
        (
            ["m.safetensors.index.fp16.json", "m-00001-of-00001.fp16.safetensors", "m-00001-of-00001.safetensors"],
            ["m.safetensors.index.fp16.json", "m-00001-of-00001.fp16.safetensors"],
        ),
    ],
)  # fmt: skip
def test_the_most_exact_weights_are_taken_whole_or_in_shards(names, expected):
    assert weight_files(names, "m") == expected


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The folder that a local hub serves as `toys/depth`, in two precisions and with pickles, and what is fetched."""
    folder = tmp_path / "root" / "toys" / "depth"
    marigold(folder, "marigold-depth-v1-1", variant="fp16")
    for file in folder.glob("*/*.fp16.safetensors"):
        save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    marigold(folder, "marigold-depth-v1-1")
    for name in ("unet/diffusion_pytorch_model.bin", "README.md"):
        (folder / name).write_bytes(b"not needed")
    with serving(tmp_path / "root", monkeypatch, tmp_path / "cache") as fetched:
        yield folder, fetched


def offline(monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_only_needed_files_are_fetched_and_only_once(repository, monkeypatch):
    folder, fetched = repository
    assert checkpoint.open("toys/depth").card.revision == COMMIT
    assert sorted(fetched) == needed([file.relative_to(folder).as_posix() for file in folder.rglob("*")])
    assert not any("fp16" in name or name.endswith((".bin", ".md")) for name in fetched)
    fetched.clear()
    checkpoint.open("toys/depth")
    offline(monkeypatch)
    checkpoint.open("toys/depth")
    assert fetched == []


def test_a_variant_is_fetched_where_there_is_nothing_else(repository):
    folder, fetched = repository
    for part in ("unet", "vae"):
        (folder / part / "diffusion_pytorch_model.safetensors").unlink()
    checkpoint.open("toys/depth")
    assert [name for name in fetched if "unet/diffusion" in name] == ["unet/diffusion_pytorch_model.fp16.safetensors"]


def variant(names) -> list[bool]:
    """Of the weights that were fetched, whether each is the fp16 variant."""
    return ["fp16" in name for name in names if name.endswith(".safetensors")]


def test_half_precision_fetches_the_variant_alone_and_float32_the_rest_later(repository, monkeypatch):
    _, fetched = repository
    assert checkpoint.open("toys/depth", dtype=torch.bfloat16).card.revision == COMMIT
    assert variant(fetched) == [True] * 3
    fetched.clear()
    checkpoint.open("toys/depth", dtype=torch.float16)
    assert fetched == []
    exact = checkpoint.open("toys/depth")
    assert variant(fetched) == [False] * 3
    assert exact.card.revision == COMMIT


def test_full_weights_that_are_here_are_not_fetched_once_more_in_half_precision(repository):
    _, fetched = repository
    exact = checkpoint.open("toys/depth").backbone.unet.state_dict()
    fetched.clear()
    half = checkpoint.open("toys/depth", dtype=torch.bfloat16).backbone.unet.state_dict()
    assert fetched == []
    assert all(torch.equal(half[name], exact[name].bfloat16()) for name in exact)


def test_the_variant_opens_without_a_network(repository, monkeypatch):
    checkpoint.open("toys/depth", dtype=torch.bfloat16)
    assert [found.name for found in cached()] == ["toys/depth"]
    offline(monkeypatch)
    checkpoint.open("toys/depth", dtype=torch.bfloat16)


def test_a_broken_download_of_full_weights_leaves_the_variant_usable(repository, monkeypatch):
    checkpoint.open("toys/depth", dtype=torch.bfloat16)
    (found,) = cached()
    index = found.folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text('{"weight_map": {"conv_in.weight": "diffusion_pytorch_model-00001-of-00002.safetensors"}}')
    offline(monkeypatch)
    checkpoint.open("toys/depth")
    assert [found.name for found in cached()] == ["toys/depth"]


def test_the_prompt_of_a_text_encoder_in_half_precision_is_not_taken_for_the_exact_one(repository):
    _, fetched = repository
    half = checkpoint.open("toys/depth", dtype=torch.float16).backbone.prompt
    exact = checkpoint.open("toys/depth").backbone.prompt
    assert "text_encoder/model.safetensors" in fetched
    assert not torch.equal(half.float(), exact.half().float())
    assert torch.equal(checkpoint.open("toys/depth", dtype=torch.float16).backbone.prompt, exact.half())


@pytest.mark.parametrize(("precision", "expected"), [("bf16", True), ("fp32", False)])
def test_a_prediction_fetches_what_its_precision_needs(repository, precision, expected):
    _, fetched = repository
    load_together("depth", checkpoint="toys/depth", device="cpu", precision=precision)
    assert variant(fetched) == [expected] * 3


def test_a_prompt_that_was_computed_here_spares_the_text_encoder(repository, tmp_path):
    _, fetched = repository
    checkpoint.open("toys/depth")
    (snapshot,) = (tmp_path / "cache").glob("*/snapshots/*")
    for file in (snapshot / "text_encoder").iterdir():
        file.unlink()
    fetched.clear()
    checkpoint.open("toys/depth")
    assert fetched == []


def test_a_repository_of_pickles_alone_is_refused(repository):
    folder, fetched = repository
    for file in (folder / "unet").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(CheckpointError, match=r"toys/depth: holds no safetensors of its `unet`.*pickle"):
        checkpoint.open("toys/depth")
    assert fetched == []


@pytest.mark.parametrize(
    ("path", "status", "code", "words"),
    [
        (
            "/",
            404,
            "RepoNotFound",
            "none of that name, or it is private; correct the name or.*`hf auth login`",
        ),
        (
            "/",
            401,
            "RepoNotFound",
            "none of that name, or it is private; correct the name or.*`hf auth login`",
        ),
        (
            "/",
            403,
            "GatedRepo",
            r"\(a gated model\); accept the licence on http://\S+/toys/depth and log in",
        ),
        ("/resolve/", 403, "GatedRepo", "a gated model.*accept the licence on .* log in with .* or set HF_TOKEN"),
        ("/resolve/", 401, "GatedRepo", "a gated model.*accept the licence on .* log in with .* or set HF_TOKEN"),
        ("/resolve/", 403, "", r"access is refused \(403\); accept the licence .* log in"),
        ("/", 404, "RevisionNotFound", "it has no revision `v9`; choose a branch, tag or commit"),
        ("/", 400, "", r"it answers with an error \(400\); try again later"),
        ("/", 500, "", r"it answers with an error \(500\); try again later"),
    ],
)
def test_why_the_hub_does_not_give_a_checkpoint_is_said_with_what_helps(
    tmp_path, monkeypatch, path, status, code, words
):
    marigold(tmp_path / "root" / "toys" / "depth", "marigold-depth-v1-1")
    refusal = lambda asked: (status, code) if path in asked else None  # noqa: E731
    with serving(tmp_path / "root", monkeypatch, tmp_path / "cache", refusal):
        with pytest.raises(CheckpointError, match=rf"^toys/depth@v9: .*{words}.*, or use a .* bundled: .*depth"):
            checkpoint.open("toys/depth@v9")
        assert list(cached()) == []


def test_a_hub_that_is_not_there_leaves_the_way_by_another_machine(repository, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the port that nothing listens at
    with pytest.raises(CheckpointError, match=r"no connection.*`hf download toys/depth --local-dir depth` where there"):
        checkpoint.open("toys/depth")


def test_a_cache_that_cannot_be_written_is_named(repository, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(CheckpointError, match=rf"{tmp_path}/cache\S* cannot be written.*set HF_HOME to another folder"):
        checkpoint.open("toys/depth")


def test_a_checkpoint_that_is_here_opens_whatever_the_hub_says(repository, monkeypatch):
    checkpoint.open("toys/depth")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert checkpoint.open("toys/depth").card.revision == COMMIT


def test_a_revision_is_fetched_and_then_opens_without_a_network(repository, monkeypatch, tmp_path):
    checkpoint.open("toys/depth@v2")
    (reference,) = (tmp_path / "cache").glob("*/refs/*")
    assert (reference.name, reference.read_text()) == ("v2", COMMIT)
    offline(monkeypatch)
    for name in ("toys/depth@v2", f"toys/depth@{COMMIT}", "toys/depth"):
        assert checkpoint.open(name).card.source == "toys/depth"
    with pytest.raises(CheckpointError, match=r"toys/depth@v3: not in this .* --revision v3 --local-dir depth`"):
        checkpoint.open("toys/depth@v3")


def test_a_download_that_broke_says_what_is_missing(tmp_path, monkeypatch):
    marigold(tmp_path / "root" / "toys" / "depth", "marigold-depth-v1-1")
    refusal = lambda asked: (400, "") if "/vae/diffusion" in asked else None  # noqa: E731
    with (
        serving(tmp_path / "root", monkeypatch, tmp_path / "cache", refusal),
        pytest.raises(CheckpointError, match=r"only in part in this machine's cache, without the weights in vae/"),
    ):
        checkpoint.open("toys/depth")


@pytest.mark.parametrize("address", ["https://huggingface.co/toys/depth", "http://hub/toys/depth"])
def test_an_address_is_answered_with_the_form_of_a_hub_id(address):
    with pytest.raises(CheckpointError, match=f"^{address}: an address; give the hub id alone, `organisation/name`"):
        checkpoint.open(address)


def test_offline_and_not_cached_says_what_to_do(repository, monkeypatch):
    offline(monkeypatch)
    remedy = "unset HF_HUB_OFFLINE, or run `hf download toys/depth --local-dir depth`"
    with pytest.raises(CheckpointError, match=rf"not in this machine's cache.*{remedy}.*bundled"):
        checkpoint.open("toys/depth")


def test_a_half_fetched_checkpoint_is_not_taken_for_one(repository, monkeypatch, tmp_path):
    checkpoint.open("toys/depth")
    for file in (tmp_path / "cache").glob("*/snapshots/*/unet/*.safetensors"):
        file.unlink()
    offline(monkeypatch)
    with pytest.raises(CheckpointError, match="only in part in this machine's cache, without the weights in unet/"):
        checkpoint.open("toys/depth")
    assert list(cached()) == []


def test_the_cache_is_listed_with_names_and_sizes(repository, tmp_path):
    assert list(cached()) == []
    checkpoint.open("toys/depth")
    (found,) = cached()
    blobs = (tmp_path / "cache").glob("*/blobs/*")
    prompt = found.folder / PROMPT_FILE
    assert found.name == "toys/depth"
    assert found.bytes == sum(file.stat().st_size for file in blobs) + prompt.stat().st_size
    assert found.folder == Path(next((tmp_path / "cache").glob("*/snapshots/*")))
