"""The files of a migrations folder: names, order, versions."""

from pathlib import Path

import pytest

from adapters.migrations import MigrationError, read

MIGRATIONS = Path(__file__).parents[3] / "migrations"


def test_our_own_migrations_follow_the_rule() -> None:
    assert sorted(file.name for file in MIGRATIONS.iterdir()) == [f"{it.version}_{it.name}.sql" for it in read(MIGRATIONS)]


@pytest.mark.parametrize("name", ["1_short.sql", "20260101000000-dash.sql", "20260101000000_Upper.sql", "20260101000000_.sql", "seed.sql"])
def test_other_names_are_refused_and_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("select 1;")

    with pytest.raises(MigrationError, match=name):
        read(tmp_path)


def test_two_files_with_one_version_are_refused(tmp_path: Path) -> None:
    for name in ("20260101000000_a.sql", "20260101000000_b.sql"):
        (tmp_path / name).write_text("select 1;")

    with pytest.raises(MigrationError, match="20260101000000_b"):
        read(tmp_path)


def test_files_come_in_the_order_of_their_versions(tmp_path: Path) -> None:
    for name in ("20260201000000_a.sql", "20260101000000_z.sql"):
        (tmp_path / name).write_text("select 1;")

    assert [migration.name for migration in read(tmp_path)] == ["z", "a"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no migrations"):
        read(tmp_path)


def test_nothing_is_dropped_or_retyped_from_the_products_tables() -> None:
    sql = "\n".join(migration.sql for migration in read(MIGRATIONS)).lower()

    assert [word for word in ("drop column", "alter column", "rename column", "rename to", "drop table public") if word in sql] == []
