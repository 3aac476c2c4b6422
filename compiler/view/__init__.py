"""Pictures of a typed graph, and its one JSON form. Nothing here needs torch, and nothing is loaded before it is used."""

from __future__ import annotations

from ..graph import Graph


def render_svg(graph: Graph, depth: int | None = None) -> str:
    """An SVG document. Blocks nested deeper than `depth` are drawn as one box."""
    from . import svg

    return svg.render_svg(graph, depth)


def render_dot(graph: Graph, depth: int | None = None) -> str:
    """The text that Graphviz reads; blocks are clusters, those nested deeper than `depth` one box."""
    from . import dot

    return dot.render_dot(graph, depth)


def render_mermaid(graph: Graph, depth: int | None = None) -> str:
    """A Mermaid flowchart; blocks are subgraphs, those nested deeper than `depth` one box."""
    from . import mermaid

    return mermaid.render_mermaid(graph, depth)


def to_onnx(graph: Graph) -> bytes:
    """The structure of the graph as an ONNX model that programs such as Netron show; AttnError (E0704) without the package `onnx`."""
    from . import onnx_file

    return onnx_file.to_onnx(graph)


def to_json(graph: Graph) -> str:
    """The graph as JSON text, from which `from_json` makes the same graph again."""
    from . import schema

    return schema.to_json(graph)


def from_json(text: str) -> Graph:
    """The graph of a text made by `to_json`; AttnError (E0702) where the text is none."""
    from . import schema

    return schema.from_json(text)


__all__ = ["from_json", "render_dot", "render_mermaid", "render_svg", "to_json", "to_onnx"]
