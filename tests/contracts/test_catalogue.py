"""What every entry of the catalogue keeps. A new entry is tested here without a line added."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.dataset import Dataset
from tasks.datasets.catalogue import CATALOGUE, Entry
from tasks.datasets.load import load_dataset
from tasks.datasets.splits import split_rows
from tasks.spec.data import Data, Split
from tests.datasets import array_of, texts_of
from tests.real_data import needs_data

README = Path(__file__).parents[2] / "data" / "README.md"
BUNDLED = sorted(name for name, entry in CATALOGUE.items() if entry.bundled or entry.made)
FROM_FILES = sorted(set(CATALOGUE) - set(BUNDLED))


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_an_entry_says_what_it_is_and_whose(entry: Entry) -> None:
    assert entry.summary and "\n" not in entry.summary and entry.origin and entry.licence
    assert [bool(entry.files), bool(entry.bundled), bool(entry.made)].count(True) == 1
    assert entry.form != "tables" or entry.target


@pytest.mark.parametrize("name", FROM_FILES)
def test_every_file_has_addresses_a_digest_and_stands_in_the_readme(name: str) -> None:
    readme = README.read_text(encoding="utf-8")
    for file in CATALOGUE[name].files:
        assert bool(file.addresses) != bool(file.made)
        assert all(re.fullmatch(r"https?://[^\s]+", address) for address in file.addresses)
        for form in (file, *file.instead):
            assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", form.digest)
            assert form.name in readme and form.digest.partition(":")[2] in readme
        for address in file.addresses:
            if "raw.githubusercontent.com" in address:
                assert re.search(r"/[0-9a-f]{40}/", address), "pinned to a commit"


def test_the_readme_names_every_entry_and_its_licence() -> None:
    readme = README.read_text(encoding="utf-8")
    for name, entry in CATALOGUE.items():
        assert f"`{name}`" in readme and entry.licence in readme, name


def check(dataset: Dataset) -> None:
    """The promises of `Dataset`, and of its default split."""
    assert len(dataset.table) == len(dataset.extras) == dataset.rows or dataset.extras.empty
    assert np.isfinite(dataset.target).all()
    for name in dataset.numbers:
        assert dataset.table[name].dtype == np.float64
    for name in dataset.categories:
        assert all(value is None or isinstance(value, str) for value in dataset.table[name])
    if dataset.classes is not None:
        assert dataset.target.dtype == np.int64
        assert set(dataset.target) == set(range(len(dataset.classes)))
    parts = split_rows(dataset, Split())
    assert list(parts["row"]) == list(range(dataset.rows)) and set(parts["part"]) == {"train", "val", "test"}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_keep_the_promises_of_a_data_set(name: str, tmp_path: Path) -> None:
    check(load_dataset(Data(source=name), home=tmp_path))


@needs_data
@pytest.mark.parametrize("name", [name for name in FROM_FILES if name != "fashion-mnist"])
def test_sets_from_files_keep_the_promises_of_a_data_set(name: str, tmp_path: Path) -> None:
    check(load_dataset(Data(source=name), home=tmp_path))


@needs_data
def test_titanic_reads_true_and_false_as_numbers(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="titanic"), home=tmp_path)
    assert dataset.rows == 891 and len(dataset.numbers) == 10 and not dataset.categories
    assert dataset.table["age_was_missing"].sum() == 177 and dataset.target.sum() == 342


@needs_data
def test_births_come_in_pairs_that_stay_together(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="births"), home=tmp_path)
    assert dataset.rows == 26_518 + 6_508 and dataset.task == "regression"
    assert dataset.numbers == ["mother_age", "gestation_weeks"] and dataset.categories == [
        "is_male",
        "plurality",
    ]
    assert dataset.target.mean() == pytest.approx(7.22, abs=0.01)
    parts = split_rows(dataset, Split())
    assert (parts.groupby("group")["part"].nunique() == 1).all() and parts["group"].nunique() == 77 + 19
    assert (parts["part"] == "test").sum() == 6_508
    own = split_rows(dataset, Split(test=0.3))
    assert (own.groupby("group")["part"].nunique() == 1).all() and (own["part"] == "test").sum() != 6_508


@needs_data
def test_shot_log_splits_by_game_and_has_no_column_that_tells(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="shot-log"), home=tmp_path)
    assert dataset.rows == 128_069 and dataset.classes == ("missed", "made") and dataset.target.sum() == 57_905
    assert not {"SHOT_RESULT", "PTS", "W", "FINAL_MARGIN"} & set(dataset.table)
    assert dataset.table["SHOT_CLOCK"].isna().sum() == 5_567 and (dataset.table["TOUCH_TIME"] < 0).sum() == 312
    parts = split_rows(dataset, Split())
    assert (parts.groupby("group")["part"].nunique() == 1).all() and parts["group"].nunique() == 904


@needs_data
def test_adult_has_two_classes_and_its_own_test_part(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="adult"), home=tmp_path)
    assert dataset.classes == ("<=50K", ">50K") and dataset.target.sum() == 7_841 + 3_846
    assert dataset.table["workclass"].isna().sum() == 1_836 + 963
    parts = split_rows(dataset, Split())["part"]
    assert (parts == "test").sum() == 16_281 and dataset.target[(parts == "test")].sum() == 3_846


@needs_data
def test_mnist_has_its_official_test_part(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="mnist"), home=tmp_path)
    assert array_of(dataset).shape == (70_000, 28, 28, 1)
    test = (split_rows(dataset, Split())["part"] == "test").to_numpy()
    assert list(np.bincount(dataset.target[test])) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert array_of(dataset)[~test].mean() / 255 == pytest.approx(0.1307, abs=1e-4)


@needs_data
def test_german_credit_names_its_classes(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="german-credit"), home=tmp_path)
    assert dataset.classes == ("good", "bad") and list(np.bincount(dataset.target)) == [700, 300]
    assert len(dataset.numbers) == 7 and len(dataset.categories) == 13


@needs_data
def test_mammography_is_of_two_classes_of_which_one_is_rare(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="mammography"), home=tmp_path)
    assert dataset.classes == ("no", "yes") and list(np.bincount(dataset.target)) == [10_923, 260]
    assert len(dataset.numbers) == 6 and not dataset.categories


def test_parking_has_few_free_spaces_and_is_the_same_at_every_call(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="parking"), home=tmp_path)
    assert dataset.classes == ("free", "taken") and list(np.bincount(dataset.target)) == [200, 19_800]
    assert dataset.digest == load_dataset(Data(source="parking"), home=tmp_path).digest


@needs_data
def test_copies_of_a_message_stay_in_one_part(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="sms-spam"), home=tmp_path)
    assert dataset.form.name == "text" and dataset.rows == 5_574
    assert dataset.classes == ("ham", "spam") and dataset.target.sum() == 747
    parts = split_rows(dataset, Split())["part"].to_numpy()
    plain = texts_of(dataset).str.lower().str.replace(r"[^a-z0-9]+", " ", regex=True).str.strip()
    assert (pd.Series(parts).groupby(plain).nunique() == 1).all()


@needs_data
def test_spoken_digits_have_their_official_test_part_or_speakers(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="spoken-digits", seconds=1), home=tmp_path)
    assert dataset.form.name == "audio" and dataset.medium.rate == 8_000
    assert array_of(dataset).shape == (3_000, 8_000)
    parts = split_rows(dataset, Split())["part"]
    assert list(np.bincount(dataset.target[parts == "test"])) == [30] * 10
    speakers = Split(group="speaker")
    dataset = load_dataset(Data(source="spoken-digits", seconds=1, split=speakers), home=tmp_path)
    splits = split_rows(dataset, speakers)
    assert splits.groupby("part")["group"].nunique().to_dict() == {"test": 1, "train": 4, "val": 1}


@needs_data
def test_cifar_small_begins_with_a_frog(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="cifar-small"), home=tmp_path)
    assert array_of(dataset).shape == (2_000, 32, 32, 3)
    assert dataset.classes is not None and [dataset.classes[i] for i in dataset.target[:3]] == [
        "frog",
        "truck",
        "truck",
    ]
    assert list(array_of(dataset)[0, 0, 0]) == [59, 62, 63]  # as in the original: red, green, blue
