"""The kernels' code. Numbers between loads and stores are float32."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["places", "each"])
def moments(x, sums, places, channels, each, ROWS: tl.constexpr, WIDE: tl.constexpr):  # noqa: N803
    """Sums of each channel's values less its first one, and of their squares, over `each` places."""
    image, share, part = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    columns = part * WIDE + tl.arange(0, WIDE)
    kept = columns < channels
    x += image.to(tl.int64) * places * channels
    first = tl.load(x + columns, kept, 0.0).to(tl.float32)
    one, two = tl.zeros([ROWS, WIDE], tl.float32), tl.zeros([ROWS, WIDE], tl.float32)
    start = share * each
    for row in range(start, tl.minimum(start + each, places), ROWS):
        rows = row + tl.arange(0, ROWS)
        inside = (rows < places)[:, None] & kept[None]
        value = tl.load(x + rows[:, None].to(tl.int64) * channels + columns[None], inside, 0.0).to(tl.float32)
        value = tl.where(inside, value - first[None], 0.0)
        one += value
        two += value * value
    sums += ((image * tl.num_programs(1) + share) * 2) * channels + columns
    tl.store(sums, tl.sum(one, 0), kept)
    tl.store(sums + channels, tl.sum(two, 0), kept)


@triton.jit(do_not_specialize=["places", "shares", "step", "group"])
def affine(
    x, offset, sums, weight, bias, scale, shift, places, channels, shares, step, group, eps,
    WIDE: tl.constexpr, SHARES: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """What each channel of a group is multiplied by, and what is added then, the offset included."""
    image = tl.program_id(0)
    inner = tl.arange(0, WIDE)
    kept = inner < group
    columns = tl.program_id(1) * group + inner
    one, two = tl.zeros([WIDE], tl.float32), tl.zeros([WIDE], tl.float32)
    for start in range(0, shares, SHARES):
        rows = start + tl.arange(0, SHARES)
        at = sums + ((image * shares + rows[:, None]) * 2) * channels + columns[None]
        inside = (rows < shares)[:, None] & kept[None]
        one += tl.sum(tl.load(at, inside, 0.0), 0)
        two += tl.sum(tl.load(at + channels, inside, 0.0), 0)
    first = tl.load(x + image.to(tl.int64) * places * channels + columns, kept, 0.0).to(tl.float32)
    added = tl.load(offset + image * step + columns, kept, 0.0).to(tl.float32)
    less = one / places
    within = tl.maximum(two / places - less * less, 0.0)
    mean = less + first + added
    centre = tl.sum(tl.where(kept, mean, 0.0)) / group
    apart = tl.where(kept, mean - centre, 0.0)
    variance = tl.sum(tl.where(kept, within, 0.0) + apart * apart) / group
    factor = tl.load(weight + columns, kept, 0.0).to(tl.float32) / tl.sqrt(variance + eps)
    constant = tl.load(bias + columns, kept, 0.0).to(tl.float32) + (added - centre) * factor
    tl.store(scale + image * channels + columns, factor, kept)
    tl.store(shift + image * channels + columns, constant, kept)


@triton.jit(do_not_specialize=["places"])
def normalised(
    x, scale, shift, out, places, channels,
    ROWS: tl.constexpr, WIDE: tl.constexpr, ACTIVATE: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """x * scale + shift, and SiLU of that if it is to be activated."""
    image = tl.program_id(0)
    columns = tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    kept = columns < channels
    inside = (rows < places)[:, None] & kept[None]
    at = image.to(tl.int64) * places * channels + rows[:, None].to(tl.int64) * channels + columns[None]
    factor = tl.load(scale + image * channels + columns, kept, 0.0)
    constant = tl.load(shift + image * channels + columns, kept, 0.0)
    value = tl.load(x + at, inside, 0.0).to(tl.float32) * factor[None] + constant[None]
    if ACTIVATE:
        value = value * tl.sigmoid(value)
    tl.store(out + at, value.to(out.dtype.element_ty), inside)


@triton.jit
def added(x, y, offset, out, count, channels, BLOCK: tl.constexpr):  # noqa: N803
    """x + y + offset."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    kept = at < count
    value = tl.load(x + at, kept, 0.0).to(tl.float32) + tl.load(y + at, kept, 0.0).to(tl.float32)
    value += tl.load(offset + at % channels, kept, 0.0).to(tl.float32)
    tl.store(out + at, value.to(out.dtype.element_ty), kept)


@triton.jit
def added_normalised(x, y, offset, weight, bias, out, normal, channels, eps, WIDE: tl.constexpr):  # noqa: N803
    """x + y + offset of one place, and its layer norm."""
    columns = tl.arange(0, WIDE)
    kept = columns < channels
    at = tl.program_id(0).to(tl.int64) * channels + columns
    value = tl.load(x + at, kept, 0.0).to(tl.float32) + tl.load(y + at, kept, 0.0).to(tl.float32)
    value += tl.load(offset + columns, kept, 0.0).to(tl.float32)
    tl.store(out + at, value.to(out.dtype.element_ty), kept)
    mean = tl.sum(value) / channels
    apart = tl.where(kept, value - mean, 0.0)
    deviation = tl.sqrt(tl.sum(apart * apart) / channels + eps)
    found = apart / deviation * tl.load(weight + columns, kept, 0.0).to(tl.float32)
    found += tl.load(bias + columns, kept, 0.0).to(tl.float32)
    tl.store(normal + at, found.to(normal.dtype.element_ty), kept)


@triton.jit
def gated(x, out, count, channels, BLOCK: tl.constexpr):  # noqa: N803
    """The first half of each place times GELU of the second."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    kept = at < count
    source = x + at + at // channels * channels
    value = tl.load(source, kept, 0.0).to(tl.float32)
    gate = tl.load(source + channels, kept, 0.0).to(tl.float32)
    value = value * 0.5 * gate * (1 + tl.erf(gate * 0.7071067811865476))
    tl.store(out + at, value.to(out.dtype.element_ty), kept)


@triton.jit(do_not_specialize=["count"])
def shared(scores, count, scale, WIDE: tl.constexpr):  # noqa: N803
    """The softmax of one place's scores times scale, in place."""
    columns = tl.arange(0, WIDE)
    kept = columns < count
    at = scores + tl.program_id(0).to(tl.int64) * count + columns
    value = tl.load(at, kept, float("-inf")).to(tl.float32) * scale
    value = tl.exp(value - tl.max(value))
    value = value / tl.sum(value)
    tl.store(at, value.to(scores.dtype.element_ty), kept)


@triton.jit(do_not_specialize=["height", "width"])
def interleaved(
    even_even, even_odd, odd_even, odd_odd, offset, out, height, width, channels,
    ROWS: tl.constexpr, WIDE: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """A row of the doubled image from two phases [h + 1, w + 1], and the offset."""
    row = tl.program_id(0)
    image, line = row // (2 * height), row % (2 * height)
    down = line % 2
    if down == 0:
        even, odd = even_even, even_odd
    else:
        even, odd = odd_even, odd_odd
    columns = tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    kept = columns < channels
    added = tl.load(offset + columns, kept, 0.0).to(tl.float32)[None]
    across = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    inside = (across < width)[:, None] & kept[None]
    source = (image * (height + 1) + line // 2 + down).to(tl.int64) * (width + 1)
    at = (source + across)[:, None] * channels + columns[None]
    target = out + (row.to(tl.int64) * 2 * width + 2 * across)[:, None] * channels + columns[None]
    left = tl.load(even + at, inside, 0.0).to(tl.float32) + added
    right = tl.load(odd + at + channels, inside, 0.0).to(tl.float32) + added
    tl.store(target, left.to(out.dtype.element_ty), inside)
    tl.store(target + channels, right.to(out.dtype.element_ty), inside)


@triton.jit(do_not_specialize=["height", "width"])
def pictured(
    x, high, low, bias, out, height, width,
    CHANNELS: tl.constexpr, OUT: tl.constexpr, ACROSS: tl.constexpr, COLUMNS: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """A part of a row of a picture [B, OUT, H, W] by a convolution of 3 x 3, weights being sums of two halves."""
    row = tl.program_id(0)
    image, line = row // height, row % height
    channels, columns = tl.arange(0, CHANNELS), tl.arange(0, COLUMNS)
    across = tl.program_id(1) * ACROSS + tl.arange(0, ACROSS)
    found = tl.zeros([ACROSS, COLUMNS], tl.float32) + tl.load(bias + columns)[None]
    for tap in range(9):
        above, beside = (across * 0 + line) + (tap // 3 - 1), across + (tap % 3 - 1)
        inside = (above >= 0) & (above < height) & (beside >= 0) & (beside < width)
        place = (image * height + above).to(tl.int64) * width + beside
        value = tl.load(x + place[:, None] * CHANNELS + channels[None], inside[:, None], 0.0)
        at = (tap * CHANNELS + channels)[:, None] * COLUMNS + columns[None]
        found = tl.dot(value, tl.load(high + at), found)
        found = tl.dot(value, tl.load(low + at), found)
    target = (image * OUT + columns[None]).to(tl.int64) * height * width + line * width + across[:, None]
    tl.store(out + target, found, (across < width)[:, None] & (columns < OUT)[None])
