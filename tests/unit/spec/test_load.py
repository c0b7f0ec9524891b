"""From YAML text to a spec: what is read as what, what is refused, and what comes back complete."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from flows.experiments import shipped
from tasks.errors import BadInput, Several
from tasks.evaluation.metrics import COST, METRICS
from tasks.planning.recipes import recipes_of
from tasks.spec.load import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    at_lines,
    load_spec,
    override,
    parse_spec,
    read_experiment,
    read_yaml,
)
from tasks.spec.models import Frozen, Spec, as_written
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tests.experiments import ON_DATA, SPECS, WITHOUT_DATA

SHORTEST = {"data": {"source": "digits"}}


def value_of(text: str) -> Any:
    value, _ = read_yaml(text, "spec.yaml")
    return value


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as error:
        read_yaml(text, "spec.yaml")
    return error.value


# --- YAML ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        ("-2.5e4", -25000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.0e-5", 0.00001),
        ("-.inf", -math.inf),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
    ],
)
def test_a_plain_scalar_is_a_number_a_truth_value_or_nothing(text: str, expected: object) -> None:
    assert value_of(text) == expected
    assert type(value_of(text)) is type(expected)


@pytest.mark.parametrize(
    "text",
    ["no", "NO", "on", "off", "yes", "y", "1:30", "12:30:45", "2024-01-31", "1_000", "=", "1e", "e5", "0b11", "nan"],
)
def test_every_other_plain_scalar_is_a_text(text: str) -> None:
    assert value_of(text) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_python_prints_is_read_back(value: float) -> None:
    assert value_of(repr(value)) == value


def test_nan_is_read() -> None:
    assert math.isnan(value_of(".nan"))


@given(st.text())
@example("!!bool x")
@example("!!int ''")
@example("!!timestamp noon")
@example("9999-12-31 23:59:59 -23:00")
@example("9" * 5000)
@example("\udcff")
@example("\x00")
@example("? [a]\n: b")
@example("<<: 3")
@example("&a [*a]")
@example("&a {*a : b}")
@example("%YAML 3.0\n---\na")
def test_any_text_is_read_or_refused(text: str) -> None:
    assert_read_or_refused(text)


def assert_read_or_refused(text: str) -> None:
    try:
        read_yaml(text, "spec.yaml")
    except BadInput as error:
        assert error.message().startswith("spec.yaml")


SNIPPETS = ["a", "1", "- ", ": ", ", ", "\n", "\n  ", "[", "]", "{", "}", "&a ", "*a", "!", "!!int ", "? ", "| ", "> "]
SNIPPETS += ["'", '"', "#", "---\n", "...\n", "<<: ", "~", "\t", "%", "1e3", ".inf", "0x", "2024-01-01"]


@given(st.lists(st.sampled_from(SNIPPETS), max_size=20).map("".join))
def test_whatever_looks_like_yaml_is_read_or_refused(text: str) -> None:
    assert_read_or_refused(text)


texts = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_is_yaml(value: Any) -> None:
    assert value_of(json.dumps(value, ensure_ascii=False)) == value


def test_a_file_over_the_limit_is_not_parsed() -> None:
    assert "too large" in refused("a: " + "x" * MAX_BYTES).problem
    assert value_of("a: " + "x" * (MAX_BYTES - 3))["a"]


def test_depth_is_limited() -> None:
    assert value_of("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert refused("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).problem == "nested too deeply"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "a: {"])
def test_depth_costs_no_time(opening: str) -> None:
    assert refused(opening * (MAX_BYTES // len(opening))).problem == "nested too deeply"


def test_aliases_are_limited_in_number() -> None:
    assert len(value_of(f"a: &a x\nb: [{', '.join(['*a'] * MAX_ALIASES)}]")["b"]) == MAX_ALIASES
    assert refused(f"a: &a x\nb: [{', '.join(['*a'] * (MAX_ALIASES + 1))}]").problem == "too many YAML aliases"


@pytest.mark.timeout(10)
def test_few_aliases_cannot_make_a_billion_values() -> None:
    levels = [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, MAX_ALIASES // 2)]
    assert refused("\n".join(["a0: &a0 [x, x]", *levels])).problem == "too many values for a spec"


@pytest.mark.parametrize("text", ["a: 1\na: 2", "{a: 1, 'a': 2}", "1: a\n'1': b"])
def test_a_key_given_twice_is_refused(text: str) -> None:
    error = refused(text)
    assert error.problem == "the key stands twice"


def test_lines_count_from_one_and_know_every_path() -> None:
    _, lines = read_yaml(
        "# a comment\ndata:\n  source: wine\ngates:\n  - {metric: f1,\n     at_least: 1}\n", "spec.yaml"
    )
    assert lines == {
        "": 2,
        "data": 2,
        "data.source": 3,
        "gates": 4,
        "gates[0]": 5,
        "gates[0].metric": 5,
        "gates[0].at_least": 6,
    }


def test_a_mistake_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {source: wine}\ntrain:\n  seeds: 3\n  epochs: many\n", encoding="utf-8")
    with pytest.raises(BadInput) as error:
        load_spec(path)
    assert error.value.where == "mine.yaml:4: train.epochs"
    assert (error.value.got, error.value.accepted) == ("'many'", "a whole number")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("tune.space.lr.low", "mine.yaml:4: tune.space.lr.low"),
        ("data.target, column y", "mine.yaml:1: data.target, column y"),
        ("tune", "mine.yaml:2: tune"),
        ("data.csv, line 3", "data.csv, line 3"),
        ("--set tune.trials", "--set tune.trials"),
        (None, None),
    ],
)
def test_a_mistake_that_is_found_later_is_said_with_its_line_too(where: str | None, said: str | None) -> None:
    with pytest.raises(BadInput) as error, at_lines("mine.yaml", "data: {target: y}\ntune:\n  space:\n    lr: auto\n"):
        raise BadInput("is wrong", where=where)
    assert error.value.where == said
    assert str(error.value) == error.value.message()


def test_all_mistakes_are_said_at_once() -> None:
    with pytest.raises(Several) as error:
        parse_spec({"data": {"source": 3}, "train": {"epochs": 0, "sedes": 1}})
    assert [each.where for each in error.value.errors] == [
        "spec: data.source",
        "spec: train.epochs",
        "spec: train.sedes",
    ]


# --- the file ------------------------------------------------------------------------------------------------


def write(folder: Path, text: str | bytes, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_data_file_given_as_spec_is_refused_without_reading_it_whole(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="too large for a spec"):
        load_spec(write(tmp_path, "a,b\n" * MAX_BYTES, "data.csv"))


def test_a_byte_order_mark_is_not_part_of_the_spec(tmp_path: Path) -> None:
    spec, _ = load_spec(write(tmp_path, b"\xef\xbb\xbfdata: {source: wine}\n"))
    assert spec.data.source == "wine"


def test_windows_line_ends_are_line_ends(tmp_path: Path) -> None:
    spec, _ = load_spec(write(tmp_path, b"data:\r\n  source: wine\r\n"))
    assert spec.data.source == "wine"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("mine.yaml", "mine"),
        ("my sales (2024).yaml", "my-sales-2024"),
        ("_draft.yaml", "draft"),
        ("äöü.yaml", "experiment"),
        ("x" * 100 + ".yaml", "x" * 64),
    ],
)
def test_an_experiment_without_a_name_is_called_after_its_file(tmp_path: Path, file: str, name: str) -> None:
    spec, _ = load_spec(write(tmp_path, "data: {source: wine}", file))
    assert spec.name == name


@pytest.mark.parametrize("name", ["../up", "a/b", "", "-x", "a" * 65, "a b", "a\n"])
def test_a_name_cannot_lead_out_of_the_runs_folder(name: str) -> None:
    with pytest.raises(BadInput, match="can't be a name"):
        parse_spec(SHORTEST | {"name": name})


def test_the_text_is_returned_as_written(tmp_path: Path) -> None:
    text = "# mine\ndata: {source: wine}\n"
    assert load_spec(write(tmp_path, text), ["train.epochs=1"])[1] == text


# --- overrides -----------------------------------------------------------------------------------------------


def overridden(*assignments: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "data": {"source": "wine"},
        "model": "mlp",
        "train": {"seeds": 2},
        "compare": {"optimizer": ["sgd", {"adam": {"beta_1": 0.8}}]},
        "gates": [{"metric": "accuracy", "at_least": 0.5}, {"metric": "f1", "at_least": 0.5}],
    }
    for assignment in assignments:
        override(value, assignment)
    return value


def test_a_value_is_replaced() -> None:
    assert overridden("train.seeds=7")["train"] == {"seeds": 7}
    assert overridden("data.source=a=b.csv")["data"]["source"] == "a=b.csv"


def test_a_parameter_of_what_is_compared_is_reached_without_its_name() -> None:
    reached = overridden("compare.optimizer.0.learning_rate=0.1", "compare.optimizer.1.beta_2=0.9")
    optimizers = [{"sgd": {"learning_rate": 0.1}}, {"adam": {"beta_1": 0.8, "beta_2": 0.9}}]
    assert reached["compare"]["optimizer"] == optimizers
    assert overridden("compare.optimizer.0.sgd.learning_rate=0.1")["compare"]["optimizer"][0] == optimizers[0]


def test_missing_mappings_are_made() -> None:
    assert overridden("data.split.test=0.3")["data"] == {"source": "wine", "split": {"test": 0.3}}
    assert overridden("evaluate.metric=f1")["evaluate"] == {"metric": "f1"}


@pytest.mark.parametrize("path", ["gates.1.at_least", "gates[1].at_least"])
def test_a_lists_item_is_named_by_its_position(path: str) -> None:
    assert [gate["at_least"] for gate in overridden(f"{path}=0.9")["gates"]] == [0.5, 0.9]


def test_a_value_is_yaml() -> None:
    assert overridden("compare.optimizer=[{sgd: {learning_rate: 1e-3}}, adam]")["compare"]["optimizer"] == [
        {"sgd": {"learning_rate": 0.001}},
        "adam",
    ]
    assert overridden("name=no")["name"] == "no"
    assert overridden("train.early_stopping=")["train"]["early_stopping"] is None


def test_an_entry_written_as_a_bare_name_takes_parameters() -> None:
    assert overridden("model.mlp.hidden=[10]")["model"] == {"mlp": {"hidden": [10]}}
    assert overridden("compare.optimizer.0.sgd.learning_rate=0.1")["compare"]["optimizer"] == [
        {"sgd": {"learning_rate": 0.1}},
        {"adam": {"beta_1": 0.8}},
    ]
    assert overridden("compare.optimizer.1.adam.beta_1=0.7")["compare"]["optimizer"][1] == {"adam": {"beta_1": 0.7}}


def test_overrides_act_in_order() -> None:
    assert overridden("train={}", "train.seeds=3", "train.seeds=4")["train"] == {"seeds": 4}


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("train.epochs", "an override has the form path=value"),
        ("=5", "an override has the form path=value"),
        (".=5", "an override has the form path=value"),
        ("[]=5", "an override has the form path=value"),
        ("train.seeds.x=1", "train.seeds takes no keys"),
        ("train.seeds.x.y=1", "there is nothing to set at x"),
        ("gates.2.at_least=1", "no such position in the list"),
        ("gates.first=1", "no such position in the list"),
        ("gates.-1=1", "no such position in the list"),
        ("gates.²=1", "no such position in the list"),
        ("train.seeds={a: 1, a: 2}", "the key stands twice"),
        ("train.seeds=[", "not valid YAML"),
        ("train.seeds=!!int 3", "YAML tags are not accepted"),
    ],
)
def test_an_override_that_cannot_be_carried_out_is_named(assignment: str, problem: str) -> None:
    with pytest.raises(BadInput) as error:
        overridden(assignment)
    assert problem in error.value.problem
    assert str(error.value.where).startswith(f"--set {assignment}")


@given(st.text(alphabet="ab.=[]01 {}:'\"²\udcff"))
def test_any_override_is_carried_out_or_refused(assignment: str) -> None:
    try:
        overridden(assignment)
    except BadInput as error:
        assert str(error.where).startswith("--set")


# --- the models ----------------------------------------------------------------------------------------------


def every_model() -> Iterator[type[BaseModel]]:
    """The spec's models, found by walking down from `Spec`."""
    found: list[type[BaseModel]] = [Spec]
    for model in found:
        yield model
        for field in model.model_fields.values():
            inside = [field.annotation]
            for annotation in inside:
                inside += getattr(annotation, "__args__", ())
                if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in found:
                    found.append(annotation)


@pytest.mark.parametrize("model", list(every_model()), ids=lambda model: model.__name__)
def test_every_part_is_frozen_and_closed(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "forbid"
    assert not issubclass(model, Frozen) or model.model_config["strict"] is True


def test_a_spec_cannot_be_changed() -> None:
    spec = parse_spec(SHORTEST)
    with pytest.raises(ValidationError):
        spec.train.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "path", ["", "data", "data.read", "data.split", "train", "train.regularisation", "train.clipping", "compare"]
)
def test_an_unknown_key_is_refused_wherever_it_stands(path: str) -> None:
    value = overridden(f"{path}.surprise=1" if path else "surprise=1")
    with pytest.raises(BadInput) as error:
        parse_spec(value)
    assert error.value.problem == "unknown key"
    assert error.value.where == "spec: " + f"{path}.surprise".lstrip(".")


@pytest.mark.parametrize(
    "change",
    [
        "train.epochs='5'",
        "train.epochs=5.5",
        "train.epochs=true",
        "train.epochs=1000000000000",
        "train.seeds=0",
        "train.batch_size=0",
        "train.learning_rate=0",
        "train.learning_rate=.nan",
        "train.learning_rate=.inf",
        "data.split.test=1",
        "data.split.stratify=1",
        "evaluate.confidence=1",
        "gates.0.at_least=.inf",
        "name=5",
    ],
)
def test_values_are_neither_bent_nor_taken_out_of_range(change: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_spec(overridden(change))
    assert change.partition("=")[0] in str(error.value.where).replace("[0]", ".0")


@pytest.mark.parametrize("key", [1, None, 1.5, True])
@pytest.mark.parametrize("path", [[], ["data"], ["train", "optimizer"], ["model", "mlp"], ["data", "checks", 0]])
def test_keys_that_are_no_texts_are_refused(key: object, path: list[Any]) -> None:
    value: dict[Any, Any] = {
        "data": {"source": "wine", "checks": [{"expect_column_to_exist": {"column": "ash"}}]},
        "model": {"mlp": {}},
        "train": {"optimizer": {}},
    }
    part: Any = value
    for step in path:
        part = part[step]
    part[key] = 1
    with pytest.raises(BadInput):
        parse_spec(value)


# --- the complete spec ---------------------------------------------------------------------------------------


def fields_of(model: type[BaseModel], value: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of the model's fields that a dump lacks."""
    for name, field in model.model_fields.items():
        if name not in value:
            yield f"{path}{name}"
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Frozen):
            yield from fields_of(field.annotation, value[name], f"{path}{name}.")


def test_every_default_is_visible() -> None:
    written = as_written(parse_spec(SHORTEST))
    assert list(fields_of(Spec, written)) == ["explain"], "specs from before it was a key are written as they were"
    assert written["model"] is None, "it depends on the data's kind"
    assert written["train"]["optimizer"]["adam"]["beta_2"] == 0.999
    assert written["data"]["split"]["validation"] == 0.2


def test_what_is_compared_is_not_shown_as_held_still() -> None:
    written = as_written(parse_spec(SHORTEST | {"compare": {"optimizer": ["sgd"], "model": ["linear"]}}))
    assert list(fields_of(Spec, written)) == ["model", "train.optimizer", "explain"]


def assert_comes_back(spec: Spec) -> None:
    """Written out, the spec reads as the same spec: the same recipes, and nothing left to fill in."""
    written = as_written(spec)
    again = parse_spec(written)
    assert as_written(again) == written
    assert [recipe.recipe_id for recipe in recipes_of(again)] == [recipe.recipe_id for recipe in recipes_of(spec)]
    assert parse_spec(value_of(yaml.safe_dump(written, sort_keys=False))) == again


@pytest.mark.parametrize("name", ON_DATA)
def test_a_shipped_experiment_comes_back(name: str) -> None:
    spec, _ = load_spec(shipped()[name])
    assert_comes_back(spec)
    assert spec.name == name


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_a_shipped_lesson_comes_back(name: str) -> None:
    spec = SPECS[name]
    written = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)
    assert read_experiment(written, "spec.yaml").model_dump(mode="json") == spec.model_dump(mode="json")


def test_a_lesson_is_no_experiment_on_data() -> None:
    with pytest.raises(BadInput, match=r"lesson-conditioning\.yaml: this is a lesson"):
        load_spec(shipped()["lesson-conditioning"])


rates = st.floats(1e-7, 10).map(lambda rate: float(f"{rate:.3g}"))
optimizers = st.sampled_from(sorted(OPTIMIZERS))
tuned = optimizers | st.builds(lambda name, rate: {name: {"learning_rate": rate}}, optimizers, rates)
schedules = st.sampled_from(sorted(SCHEDULES)) | st.just({"cosine": {"warmup": 0.1}})
models = st.sampled_from(["linear", "mlp", "cnn"]) | st.builds(
    lambda widths: {"kind": "mlp", "hidden": widths}, st.lists(st.integers(1, 99), max_size=3)
)
regularisations = st.fixed_dictionaries({}, optional={"l1": st.just(0.1), "dropout": st.floats(0, 0.9)})
patience = {"patience": st.integers(1, 9), "restore_best": st.booleans()}
axes = {
    "schedule": schedules,
    "averaging": st.sampled_from(["none", "ema", {"swa": {"start": 0.5}}, {"lawa": {"last": 2}}]),
    "regularisation": regularisations,
    "augmentation": st.sampled_from(
        [
            None,
            "none",
            "flip",
            {"rotation": {"degrees": 5}, "mixup": None},
            {"steps": ["noise"], "times": 2, "seed": 1},
            {"GaussNoise": {"p": 1}},
        ]
    ),
    "clipping": st.sampled_from([{}, {"value": 1.0}, {"norm": 0.5}, {"global_norm": 2.0}]),
    "batch_size": st.integers(1, 512),
    "epochs": st.integers(1, 50),
    "early_stopping": st.none() | st.fixed_dictionaries({}, optional=patience),
    "model": models,
}


evaluations = st.fixed_dictionaries(
    {},
    optional={
        "evaluate_every": st.sampled_from([{"steps": 500}, {"epochs": 2}, {"seconds": 30}]),
        "stop_at": st.sampled_from([{"metric": "accuracy", "value": 0.93}, {"metric": "loss", "value": 2}]),
    },
)


@st.composite
def written_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs as an author may write them: each axis compared, held still, or left out."""
    spec: dict[str, Any] = {
        "data": {"source": "wine"},
        "train": {"seeds": draw(st.integers(1, 3)), **draw(evaluations)},
        "compare": {},
    }
    beside = {"optimizer": optimizers, "learning_rate": rates}
    own = beside if draw(st.booleans()) else {"optimizer": tuned}
    for name, values in (own | axes).items():
        way = draw(st.sampled_from(["compared", "held still", "left out"]))
        if way == "compared":
            spec["compare"][name] = draw(st.lists(values, min_size=1, max_size=2))
        elif way == "held still":
            (spec if name == "model" else spec["train"])[name] = draw(values)
    spec["evaluate"] = draw(
        st.fixed_dictionaries({}, optional={"metric": st.sampled_from(sorted({*METRICS} - {COST}))})
    )
    return spec


@given(written_specs())
def test_any_spec_comes_back(value: dict[str, Any]) -> None:
    assert_comes_back(parse_spec(value))
