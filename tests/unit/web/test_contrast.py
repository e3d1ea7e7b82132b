"""Every text on every surface it is used on is readable in both themes (WCAG 2.2 AA)."""

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[3] / "static" / "web" / "css" / "tokens.css"
PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
COLOURS = {name: (light, dark) for name, light, dark in PAIR.findall(TOKENS.read_text())}
THEMES = {"light": 0, "dark": 1}

TEXT, GRAPHICS = 4.5, 3.0
GROUNDS = ("ground", "ground-sunken", "ground-raised")
USES = [
    *[(ink, ground, TEXT) for ink in ("ink", "ink-soft", "ink-faint") for ground in GROUNDS],
    *[("ink", ground, TEXT) for ground in ("ground-hover", "ground-active", "accent-wash")],
    *[("ink-soft", "ground-hover", TEXT), ("ink-faint", "ground-hover", TEXT)],
    *[(ink, ground, TEXT) for ink in ("accent", "danger") for ground in GROUNDS],
    ("accent", "accent-wash", TEXT),
    ("danger", "danger-wash", TEXT),
    ("warning-ink", "warning-wash", TEXT),
    ("warning-ink", "ground", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-hover", TEXT),
    ("on-danger", "danger", TEXT),
    ("ink", "mark", TEXT),
    *[("accent", ground, GRAPHICS) for ground in ("ground-hover", "ground-active")],
    *[
        (f"code-{kind}", "code-ground", TEXT)
        for kind in ("comment", "string", "number", "keyword", "call")
    ],
    *[(f"series-{number}", "ground-raised", GRAPHICS) for number in range(1, 7)],
    *[("line-strong", ground, GRAPHICS) for ground in ("ground", "ground-raised")],
]


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_knows_black_from_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ink,ground,least", USES)
def test_a_pair_is_readable(ink: str, ground: str, least: float, theme: str) -> None:
    index = THEMES[theme]
    measured = contrast(COLOURS[ink][index], COLOURS[ground][index])
    assert measured >= least, f"{ink} on {ground}: {measured:.2f}"
