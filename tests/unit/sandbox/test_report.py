"""What is enough to run a filter."""

import pytest

from adapters.sandbox.report import JailReport, Layer

ALL = tuple(Layer)


@pytest.mark.parametrize(
    ("missing", "is_sufficient"),
    [
        ((), True),
        ((Layer.SECCOMP,), True),
        ((Layer.NAMESPACES, Layer.EMPTY_ROOT), True),
        ((Layer.NAMESPACES, Layer.EMPTY_ROOT, Layer.LANDLOCK), True),
        ((Layer.SECCOMP, Layer.EMPTY_ROOT), True),
        ((Layer.SECCOMP, Layer.EMPTY_ROOT, Layer.LANDLOCK), False),
        ((Layer.SECCOMP, Layer.NAMESPACES), False),
    ],
)
def test_one_of_two_walls_must_stand(missing: tuple[Layer, ...], *, is_sufficient: bool) -> None:
    report = JailReport(held=tuple(layer for layer in ALL if layer not in missing), missing=dict.fromkeys(missing, "left out"))

    assert is_sufficient == report.is_sufficient


def test_nothing_is_enough_when_something_forbidden_was_possible() -> None:
    assert not JailReport(held=ALL, possible=("open a file",)).is_sufficient


def test_each_lack_is_told_with_what_it_would_stop() -> None:
    report = JailReport(missing={Layer.LANDLOCK: "Function not implemented"}, possible=("open a file",))

    assert (
        "The landlock layer is missing (Function not implemented): it would stop opening any file, TCP, and signals to other processes.",
        "A filter's process could open a file.",
    ) == report.warnings()


def test_it_survives_the_way_to_the_worker() -> None:
    report = JailReport(held=ALL[:3], missing={ALL[3]: "why"}, possible=("open a file",))

    assert report == JailReport.from_json(report.to_json())


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"1", b'{"held": ["x"], "missing": {}, "possible": []}', b'{"held": 1}', b"\xff"])
def test_what_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are for operators
        JailReport.from_json(text)
