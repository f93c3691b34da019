"""Legends below pictures: a bar with a word at either end, or a sphere of normals."""

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

BAR, SPHERE = 1 / 16, 1 / 6
"""How high a legend is, as a share of the picture's shorter side."""
LEAST = 20
_BACKGROUND, _INK = 24, 235


def with_bar(picture: np.ndarray, colours: np.ndarray, words: tuple[str, str]) -> np.ndarray:
    """A picture [H, W, 3] uint8 above the colours [N, 3] from left to right, between two words."""
    height = max(LEAST, round(BAR * min(picture.shape[:2])))
    strip = _strip(height, picture.shape[1])
    font = _font(height)
    margin = height // 3
    left = margin + round(font.getlength(words[0])) + margin
    right = strip.width - margin - round(font.getlength(words[1])) - margin
    draw = PIL.ImageDraw.Draw(strip)
    draw.text((margin, height / 2), words[0], fill=(_INK,) * 3, font=font, anchor="lm")
    draw.text((strip.width - margin, height / 2), words[1], fill=(_INK,) * 3, font=font, anchor="rm")
    if right > left:
        bar = PIL.Image.fromarray(np.ascontiguousarray(colours[None])).resize(
            (right - left, height - 2 * margin), PIL.Image.Resampling.NEAREST
        )
        strip.paste(bar, (left, margin))
    return np.concatenate([picture, np.asarray(strip)])


def with_sphere(picture: np.ndarray, ball: np.ndarray, words: str) -> np.ndarray:
    """A picture [H, W, 3] uint8 above a small square picture [D, D, 3] of a sphere, with words beside it."""
    size = len(ball)
    margin = size // 8
    strip = _strip(size + 2 * margin, picture.shape[1])
    strip.paste(PIL.Image.fromarray(ball), (margin, margin))
    font = _font(max(LEAST, round(BAR * min(picture.shape[:2]))))
    draw = PIL.ImageDraw.Draw(strip)
    draw.text((size + 3 * margin, strip.height / 2), words, fill=(_INK,) * 3, font=font, anchor="lm")
    return np.concatenate([picture, np.asarray(strip)])


def sphere_size(picture: np.ndarray) -> int:
    """The diameter, in pixels, of a sphere that suits a picture."""
    return max(2 * LEAST, round(SPHERE * min(picture.shape[:2])))


def sphere(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The normals [D, D, 3] of a sphere seen from the front, x right, y up, z towards the viewer, and where it is."""
    along = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(along, -along)
    square = x**2 + y**2
    inside = square <= 1
    return np.stack([x, y, np.sqrt(np.clip(1 - square, 0, 1))], axis=-1), inside


def on_background(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] uint8 where `inside` [H, W] says, and the legend's background elsewhere."""
    return np.where(inside[..., None], picture, np.uint8(_BACKGROUND))


def _strip(height: int, width: int) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (width, height), (_BACKGROUND,) * 3)


def _font(height: int) -> PIL.ImageFont.ImageFont | PIL.ImageFont.FreeTypeFont:
    return PIL.ImageFont.load_default(size=max(8, round(0.6 * height)))
