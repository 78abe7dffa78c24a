"""Filters take numbers out of klines as `parseFloat(kline[4])`: put so that none of our texts is made only to be parsed."""

from tree_sitter import Node

from filters.javascript.syntax_tree import parse, text_of, walk

READERS = {"parseFloat": "$parsed", "Number": "$number", "+": "$plus"}
"""What turns a text into a number, and the function of the library that gives the same for a row and a cell."""
_TEXTS = frozenset({b"1", b"2", b"3", b"4", b"5", b"7", b"9", b"10"})
"""Cells that are texts."""
_Edit = tuple[int, int, bytes]


def read_as_numbers(code: str) -> str:
    """The filter with `parseFloat(row[4])`, `Number(row[4])` and `+row[4]` put as calls of the library. Lines stay where they are, and it
    does the same. As it was where one cannot be sure of that."""
    try:
        text = code.encode()
    except UnicodeEncodeError:
        return code
    root = parse(code)
    nodes = list(walk(root))
    if root.has_error or any(node.type == "with_statement" for node in nodes) or any(name in code for name in READERS.values()):
        return code
    own = {text_of(node) for node in nodes if node.type.endswith(("identifier", "identifier_pattern")) and not _is_use(node)}
    edits = [edit for node in nodes for edit in _edits(node, own)]
    for start, end, put in sorted(edits, reverse=True):
        text = text[:start] + put + text[end:]
    return text.decode()


def _is_use(node: Node) -> bool:
    """Whether a name is only called, looked into or handed on here: then the filter does not make it mean something else."""
    parent = node.parent
    if parent is None or parent.type == "arguments":
        return True
    return node in (parent.child_by_field_name("function"), parent.child_by_field_name("object")) or node.type == "property_identifier"


def _edits(node: Node, own: set[str]) -> list[_Edit]:
    if node.type == "call_expression":
        called, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        name = text_of(called) if called is not None and called.type == "identifier" else ""
        if called is None or arguments is None or name not in READERS or name in own or arguments.named_child_count != 1:
            return []
        if node.child_by_field_name("optional_chain") is None and arguments.type == "arguments":
            return _replaced(node, arguments.named_children[0], called, READERS[name])
    if node.type == "unary_expression":
        sign, argument = node.child_by_field_name("operator"), node.child_by_field_name("argument")
        if sign is not None and argument is not None and sign.type == "+":
            return _replaced(node, argument, sign, f" {READERS['+']}(")
    return []


def _replaced(whole: Node, cell: Node, reader: Node, by: str) -> list[_Edit]:
    row, index = cell.child_by_field_name("object"), cell.child_by_field_name("index")
    if cell.type != "subscript_expression" or row is None or index is None or index.text not in _TEXTS or row.type == "super":
        return []
    if cell.child_by_field_name("optional_chain") is not None:
        return []
    rest = (whole.text or b"")[row.end_byte - whole.start_byte :]
    return [
        (reader.start_byte, reader.end_byte, by.encode()),
        (row.end_byte, whole.end_byte, b"," + index.text + b"\n" * rest.count(b"\n") + b")"),
    ]
