"""Every variable is described in .env.example, truthfully."""

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from adapters.settings import Settings

from .repository import ROOT, documented_variables

PREFIX = "CLOUDTRADER_"
BESIDE_SETTINGS = {"CLOUDTRADER_STATE", "CLOUDTRADER_VERSION"}


def _name(field: str) -> str:
    return PREFIX + field.upper()


def _default(field: FieldInfo) -> str:
    value = field.default
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@pytest.mark.parametrize(("field", "info"), Settings.model_fields.items())
def test_a_setting_stands_in_the_example_with_its_description_and_default(field: str, info: FieldInfo) -> None:
    documented = documented_variables()

    assert _name(field) in documented
    assert info.description == documented[_name(field)].description
    assert _default(info) == documented[_name(field)].default


def test_the_example_names_no_setting_that_is_not_there() -> None:
    ours = {name for name in documented_variables() if name.startswith(PREFIX)}

    assert {_name(field) for field in Settings.model_fields} | BESIDE_SETTINGS == ours


def test_every_variable_of_the_example_is_described_and_none_is_set() -> None:
    set_lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]

    assert set_lines == []
    assert [name for name, variable in documented_variables().items() if not variable.description] == []
