"""The causal graph of a diagnosis as a picture: causes on the left, what they did on the right.

Layers as Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical system structures",
IEEE Trans. SMC 11, 1981) draw them, without their crossing reduction: graphs of one incident are small, and
what is too much for one picture is left out, the least probable first.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from causal.evidence import CauseEdge, Diagnosis, Entity

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

MOST_NODES = 24
BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 250, 52, 90, 22, 24
LONGEST_NAME = 30
PAPER, INK, PALE = (255, 255, 255), (31, 41, 55), (156, 163, 175)
PLAIN, BLAMED = (243, 244, 246), (254, 202, 202)

Place = tuple[int, int]


def picture(diagnosis: Diagnosis) -> bytes:
    """Draw the graph as PNG; empty where there is nothing to draw, fewer than two entities."""
    nodes, edges = _shown(diagnosis)
    if len(nodes) < 2:  # noqa: PLR2004  one box is no graph
        return b""
    places = _places(_layers([node.key for node in nodes], edges))
    return _Sheet(places).draw(nodes, edges, _chances(diagnosis))


def described(diagnosis: Diagnosis) -> str:
    """Say in words what the picture shows, for who cannot see it."""
    first = diagnosis.first
    path = " to ".join(first.path) if first else ""
    return f"The causal graph: {path or 'no path to the symptom'}"


def _shown(diagnosis: Diagnosis) -> tuple[list[Entity], list[CauseEdge]]:
    chances = _chances(diagnosis)
    ranked = sorted(diagnosis.graph.nodes, key=lambda node: (-chances.get(node.key, -1.0), node.key))
    nodes = ranked[:MOST_NODES]
    keys = {node.key for node in nodes}
    edges = [edge for edge in diagnosis.graph.edges if {edge.source, edge.target} <= keys]
    return nodes, edges


def _chances(diagnosis: Diagnosis) -> Mapping[str, float]:
    """The probability of each entity that a hypothesis names; 0 for what lies on a path."""
    found: dict[str, float] = {}
    for hypothesis in diagnosis.hypotheses:
        for service in hypothesis.path:
            found.setdefault(Entity.of_service(service).key, 0.0)
        key = hypothesis.entity.key
        found[key] = max(found.get(key, 0.0), hypothesis.probability)
    return found


def _layers(keys: list[str], edges: Iterable[CauseEdge]) -> list[list[str]]:
    """Put each entity to the right of all its causes; a circle is cut where it closes."""
    forward = _without_circles(keys, [(edge.source, edge.target) for edge in edges])
    depth = dict.fromkeys(keys, 0)
    for _ in keys:
        for source, target in forward:
            depth[target] = max(depth[target], depth[source] + 1)
    return [[key for key in keys if depth[key] == at] for at in range(max(depth.values()) + 1)]


def _without_circles(keys: list[str], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    reaches: dict[str, set[str]] = {key: {key} for key in keys}
    for source, target in edges:
        if source in reaches[target]:
            continue
        kept.append((source, target))
        for key in [key for key, reach in reaches.items() if source in reach]:
            reaches[key] |= reaches[target]
    return kept


def _places(layers: list[list[str]]) -> dict[str, Place]:
    tallest = max(map(len, layers))
    return {
        key: (
            MARGIN + column * (BOX_WIDTH + GAP_X),
            MARGIN + int((row + (tallest - len(layer)) / 2) * (BOX_HEIGHT + GAP_Y)),
        )
        for column, layer in enumerate(layers)
        for row, key in enumerate(layer)
    }


@dataclass(frozen=True)
class _Sheet:
    """Where each box stands (its upper left corner)."""

    places: Mapping[str, Place]

    def draw(self, nodes: list[Entity], edges: list[CauseEdge], chances: Mapping[str, float]) -> bytes:
        from PIL import Image, ImageDraw, ImageFont  # heavy, and only who attaches a picture needs it

        width = max(x for x, _ in self.places.values()) + BOX_WIDTH + MARGIN
        height = max(y for _, y in self.places.values()) + BOX_HEIGHT + MARGIN
        image = Image.new("RGB", (width, height), PAPER)
        pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=15)
        for edge in edges:
            self._arrow(pen, self.places[edge.source], self.places[edge.target])
        for node in nodes:
            self._box(pen, font, node, chances.get(node.key, 0.0))
        png = io.BytesIO()
        image.save(png, "PNG", optimize=True)
        return png.getvalue()

    def _box(self, pen: ImageDraw, font: FreeTypeFont | ImageFont, node: Entity, chance: float) -> None:
        x, y = self.places[node.key]
        fill = tuple(round(plain + (red - plain) * chance) for plain, red in zip(PLAIN, BLAMED, strict=True))
        pen.rounded_rectangle((x, y, x + BOX_WIDTH, y + BOX_HEIGHT), 8, fill=fill, outline=INK)
        name = node.name if len(node.name) <= LONGEST_NAME else node.name[: LONGEST_NAME - 1] + "…"
        told = f"{node.kind}, {chance:.1%}" if chance else str(node.kind)
        pen.text((x + 10, y + 7), name, fill=INK, font=font)
        pen.text((x + 10, y + 28), told, fill=INK, font=font)

    def _arrow(self, pen: ImageDraw, source: Place, target: Place) -> None:
        start = (source[0] + BOX_WIDTH, source[1] + BOX_HEIGHT // 2)
        end = (target[0], target[1] + BOX_HEIGHT // 2)
        pen.line((start, end), fill=PALE, width=2)
        pen.polygon((end, (end[0] - 10, end[1] - 5), (end[0] - 10, end[1] + 5)), fill=PALE)
