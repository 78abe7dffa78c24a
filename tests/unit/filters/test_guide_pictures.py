"""The pictures of docs/filter-language.md show the examples they stand under."""

from PIL import Image

from docs.pictures.draw_guide import GUIDE, PICTURES, SCENES, examples

EXAMPLES = dict(examples())
LARGEST = 80_000


def test_every_picture_of_the_guide_stands_under_an_example_and_can_be_drawn_anew() -> None:
    assert set(SCENES) == set(EXAMPLES)
    assert GUIDE.read_text().count("](pictures/") == len(EXAMPLES)
    assert {*SCENES} == {path.stem for path in PICTURES.glob("filter-*.png")}


def test_a_picture_was_drawn_of_its_example_as_it_stands_now() -> None:
    drawn = {name: Image.open(PICTURES / f"{name}.png").info["Description"] for name in EXAMPLES}

    assert EXAMPLES == drawn


def test_pictures_of_the_guide_are_small() -> None:
    assert [] == [name for name in EXAMPLES if (PICTURES / f"{name}.png").stat().st_size > LARGEST]
