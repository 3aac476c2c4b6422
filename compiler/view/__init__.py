"""Pictures of a typed graph, and its one JSON form. Nothing here needs torch, and nothing is loaded before it is used."""

from __future__ import annotations

from ..graph import Graph


def render_svg(graph: Graph) -> str:
    """An SVG document."""
    from . import svg

    return svg.render_svg(graph)


def render_dot(graph: Graph) -> str:
    """The text that Graphviz reads; blocks are clusters."""
    from . import dot

    return dot.render_dot(graph)


def render_mermaid(graph: Graph) -> str:
    """A Mermaid flowchart; blocks are subgraphs."""
    from . import mermaid

    return mermaid.render_mermaid(graph)


def to_json(graph: Graph) -> str:
    """The graph as JSON text, from which `from_json` makes the same graph again."""
    from . import schema

    return schema.to_json(graph)


def from_json(text: str) -> Graph:
    """The graph of a text made by `to_json`; AttnError (E0702) where the text is none."""
    from . import schema

    return schema.from_json(text)


__all__ = ["from_json", "render_dot", "render_mermaid", "render_svg", "to_json"]
