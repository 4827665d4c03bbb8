"""The style sheet's colours: readable on what they stand on, and told apart by eyes that miss one kind of cone.

Contrast after WCAG 2.2, 1.4.3 and 1.4.11; sight without one cone after Machado, Oliveira and Fernandes (2009), full
severity; distances in Oklab (Ottosson 2020). All read 2026-11-25.
"""

import itertools
import math
import re
from pathlib import Path

import pytest

SHEET = (Path(__file__).resolve().parents[2] / "reporting" / "web" / "static" / "style.css").read_text("utf-8")
SERIES = ("s1", "s2", "s3", "s4", "s5", "s6", "others")
APART = 0.08
"""Oklab distance of two colours that are seen as two side by side, with room to spare."""

SIGHTS = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no long": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no medium": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no short": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}

Linear = tuple[float, float, float]


def scheme(dark: bool) -> dict[str, Linear]:
    light, _, rest = SHEET.partition("@media (prefers-color-scheme: dark)")
    text = rest.partition("\n}\n")[0] if dark else light
    return {name: linear(value) for name, value in re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6})", text)}


def linear(value: str) -> Linear:
    parts = (int(value[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def contrast(one: Linear, other: Linear) -> float:
    bright, dim = sorted((0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (one, other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def seen(colour: Linear, sight: tuple[Linear, ...]) -> Linear:
    red, green, blue = (min(max(sum(a * b for a, b in zip(row, colour, strict=True)), 0), 1) for row in sight)
    return red, green, blue


def oklab(colour: Linear) -> Linear:
    red, green, blue = colour
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", SERIES)
def test_every_bar_stands_out_from_the_page(name, dark):
    colours = scheme(dark)
    assert contrast(colours[name], colours["sheet"]) >= 3


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("ink", "ground"), ("ink", "sheet"), ("ink", "hair"), ("soft", "ground"), ("soft", "sheet"), ("link", "ground"),
        ("link", "sheet"), ("mark-ink", "mark"), ("warn", "sheet"), ("warn", "warn-ground"), ("bad", "bad-ground"),
    ],
)  # fmt: skip
def test_every_text_can_be_read(text, on, dark):
    colours = scheme(dark)
    assert contrast(colours[text], colours[on]) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_bars_are_told_apart_by_every_kind_of_sight(sight, dark):
    colours = scheme(dark)
    for one, other in itertools.combinations(SERIES, 2):
        distance = math.dist(*(oklab(seen(colours[name], SIGHTS[sight])) for name in (one, other)))
        assert distance >= APART, f"{one} and {other}: {distance:.3f}"
