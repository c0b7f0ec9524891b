"""Sizes in bytes, as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.spec.load import parse_spec
from tasks.spec.models import as_written


def memory(value: Any) -> int | None:
    return parse_spec({"data": {"source": "wine", "memory": value}}).data.memory


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (2_000_000, 2_000_000),
        ("1 MB", 1_000_000),
        ("1.5GB", 1_500_000_000),
        ("512 MiB", 512 * 2**20),
        ("3000 kb", 3_000_000),
        ("1 TiB", 2**40),
        (None, None),
    ],
)
def test_a_size_is_a_number_or_has_a_unit(written: Any, size: int | None) -> None:
    assert memory(written) == size


@pytest.mark.parametrize(
    "written", ["2", "GB", "2 gigabytes", "-1 GB", "1,5 GB", 999_999, "1 kB", -5, 1.5e9, True, [1]]
)
def test_anything_else_is_refused(written: Any) -> None:
    with pytest.raises(BadInput, match=r"data\.memory"):
        memory(written)


def test_a_size_reads_again_as_it_is_written() -> None:
    spec = parse_spec({"data": {"source": "wine", "memory": "2 GB"}})
    assert parse_spec(as_written(spec)).data.memory == 2_000_000_000
