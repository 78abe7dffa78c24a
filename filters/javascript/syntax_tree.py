"""The syntax tree of a browser filter."""

from collections.abc import Iterator

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

_LANGUAGE = Language(tree_sitter_javascript.language())


def parse(code: str) -> Node:
    """The statements of a filter's body. Never fails: what cannot be read is a node of type ERROR."""
    return Parser(_LANGUAGE).parse(code.encode(errors="surrogatepass")).root_node


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it that has a name in the grammar, in the order of the text."""
    return (each for each in _every(node) if each.is_named)


def _every(node: Node) -> Iterator[Node]:
    pending = [node]  # a hostile text may be nested deeper than Python's stack
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(current.children))


def text_of(node: Node | None) -> str:
    """The node's text; nothing for none."""
    return "" if node is None or node.text is None else node.text.decode(errors="replace")


def line_of(node: Node) -> int:
    """Counts from 1."""
    return node.start_point.row + 1


def field(node: Node, name: str) -> Node:
    """A part the grammar promises. Raises ValueError where the text was broken there."""
    part = node.child_by_field_name(name)
    if part is None:
        raise ValueError(f"line {line_of(node)}: {node.type} lacks its {name}")
    return part


def string_of(node: Node | None) -> str | None:
    """The text of a string literal; `None` for anything else."""
    if node is None or node.type != "string":
        return None
    return "".join(text_of(part) for part in node.named_children)


def first_error(root: Node) -> Node | None:
    """The first place that cannot be read."""
    if not root.has_error:
        return None
    return next((node for node in _every(root) if node.is_error or node.is_missing), root)
