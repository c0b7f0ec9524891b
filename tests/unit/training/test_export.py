import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.preprocessing.tables import fit_image_preprocessor, fit_preprocessor, preprocess, raw_inputs
from tasks.training.export import export_model, input_names
from tasks.training.exported import load_exported, predict

COLUMNS = ["pclass", "sex", "fare (£)", "softmax"]
NAMES = {"pclass": "pclass", "sex": "sex", "fare (£)": "fare", "softmax": "softmax"}
"""What their inputs are called."""


def passengers(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "pclass": rng.choice([1.0, 2.0, 3.0, np.nan], rows),
            "sex": rng.choice(np.array(["male", "female", None], object), rows),
            "fare (£)": 1e9 + rng.lognormal(size=rows),
            "softmax": rng.choice(["yes", "no"], rows),
        }
    )


def network(inputs: int | tuple[int, ...], outputs: int):
    import keras

    shape = inputs if isinstance(inputs, tuple) else (inputs,)
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(8, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(outputs),
        ],
        name="softmax",  # as a column is called
    )


def exported(folder, classes=("died", "lived"), target_scale=(0.0, 1.0)):
    """Writes a model of the passengers; returns what its network alone says about them."""
    table = passengers()
    preprocessor = fit_preprocessor(table)
    features = preprocess(preprocessor, table)
    net = network(features.shape[1], len(classes) if classes else 1)
    export_model(
        preprocessor,
        net,
        folder,
        columns=COLUMNS,
        target_name="survived",
        classes=classes,
        target_scale=target_scale,
    )
    return np.asarray(net(features))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_probabilities_are_the_softmax_of_the_networks_logits(tmp_path):
    logits = exported(tmp_path)
    answer = predict(tmp_path, passengers())
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, softmax(logits), atol=1e-6)


def test_a_regression_answers_in_the_targets_unit(tmp_path):
    output = exported(tmp_path, classes=None, target_scale=(1e9 + 0.5, 20.0))
    answer = predict(tmp_path, passengers())
    assert (answer.dtype, answer.shape) == (np.float64, (40,))
    np.testing.assert_allclose(answer, output[:, 0].astype(np.float64) * 20.0 + (1e9 + 0.5), rtol=1e-12)


def test_images_go_in_raw(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 1)).astype(np.uint8)
    preprocessor = fit_image_preprocessor(images)
    net = network((4, 5, 1), 3)
    export_model(preprocessor, net, tmp_path, columns=(), target_name="label", classes=("a", "b", "c"))
    np.testing.assert_allclose(
        predict(tmp_path, images), softmax(np.asarray(net(images.astype(np.float32) / 255))), atol=1e-6
    )
    with pytest.raises(BadInput, match=r"got: +\(5, 4, 1\), uint8\n  accepted: \(4, 5, 1\), uint8"):
        predict(tmp_path, images.reshape(10, 5, 4, 1))
    with pytest.raises(BadInput, match=r"got: +.*float32"):
        predict(tmp_path, images.astype(np.float32))
    with pytest.raises(BadInput, match=r"got: +a table"):
        predict(tmp_path, passengers())


def test_a_fresh_process_without_this_project_gives_the_same_probabilities(tmp_path):
    logits = exported(tmp_path)
    np.savez(tmp_path / "inputs.npz", **{NAMES[name]: raw_inputs(passengers()[[name]]).popitem()[1] for name in NAMES})
    program = (
        "import keras, numpy as np, sys\n"
        "model = keras.saving.load_model('model.keras', safe_mode=True)\n"
        "inputs = dict(np.load('inputs.npz', allow_pickle=True))\n"
        "np.save('answer.npy', keras.ops.convert_to_numpy(model(inputs)))\n"
        "assert 'tasks' not in sys.modules\n"
    )
    # -S -I: no site-packages hooks, no editable installs; only the folder that holds keras is on the path.
    packages = [path for path in sys.path if path.endswith("site-packages")]
    program = f"import sys; sys.path += {packages!r}\n{program}"
    subprocess.run([sys.executable, "-S", "-I", "-c", program], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), softmax(logits), atol=1e-6)


def test_the_signature_says_what_goes_in_and_comes_out(tmp_path):
    exported(tmp_path)
    signature = json.loads((tmp_path / "signature.json").read_text())
    assert [(column["name"], column["kind"]) for column in signature["inputs"]] == [
        ("pclass", "number"),
        ("sex", "category"),
        ("fare (£)", "number"),
        ("softmax", "category"),
    ]
    assert (signature["target"], signature["classes"]) == ("survived", ["died", "lived"])
    assert {column["name"]: column["input"] for column in signature["inputs"]} == NAMES
    assert [column["missing"] for column in signature["inputs"]] == ["NaN", "", "NaN", ""]
    assert [column.get("values") for column in signature["inputs"]] == [None, ["female", "male"], None, ["no", "yes"]]
    assert signature["versions"].keys() == {"python", "keras", "tensorflow", "numpy"}


AWKWARD = ["a b", "a/b", "a_b", "a_b_2", "a.b", "größe", "身長", "", "_", "cast", "image", "Image", "1st", "x" * 300,
           "preprocess.table", "predict.head", "predict.features"]  # fmt: skip


def test_any_column_name_becomes_a_readable_input_of_its_own(tmp_path):
    names = input_names(AWKWARD)
    assert [names[name] for name in AWKWARD[:9]] == [
        *("a_b_3", "a_b_4", "a_b", "a_b_2", "a.b", "gro_e", "column", "column_2", "column_3")
    ]
    assert len(set(names.values())) == len(AWKWARD)
    rows = pd.DataFrame({name: [0.0, float(i + 1)] for i, name in enumerate(AWKWARD)})
    preprocessor = fit_preprocessor(rows)
    net = network(len(AWKWARD), 2)
    export_model(preprocessor, net, tmp_path, columns=AWKWARD, target_name="y", classes=("a", "b"))
    expected = softmax(np.asarray(net(preprocess(preprocessor, rows))))
    np.testing.assert_allclose(predict(tmp_path, rows), expected, atol=1e-6)


def test_nothing_but_the_two_files_is_left_and_a_second_export_replaces_them(tmp_path):
    exported(tmp_path / "model")
    logits = exported(tmp_path / "model", classes=("a", "b", "c"))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.keras", "signature.json"]
    np.testing.assert_allclose(predict(tmp_path / "model", passengers()), softmax(logits), atol=1e-6)


def test_a_changed_model_file_is_not_loaded(tmp_path):
    exported(tmp_path)
    with (tmp_path / "model.keras").open("ab") as file:
        file.write(b" ")
    with pytest.raises(BadInput, match="is not the file that the run wrote"):
        load_exported(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no saved model here"),
        ("{", "is not valid JSON"),
        ("[]", "not a signature"),
        ("{}", "not a signature"),
    ],
)
def test_a_folder_without_a_signature_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "signature.json").write_text(content)
    with pytest.raises(BadInput, match=message):
        load_exported(tmp_path)


def test_a_signature_without_its_model_is_refused(tmp_path):
    exported(tmp_path)
    (tmp_path / "model.keras").unlink()
    with pytest.raises(BadInput, match="the saved model is missing"):
        load_exported(tmp_path)


def test_rows_may_hold_more_columns_in_any_order(tmp_path):
    exported(tmp_path)
    rows = passengers().assign(name="x")[["name", *reversed(COLUMNS)]]
    np.testing.assert_array_equal(predict(tmp_path, rows), predict(tmp_path, passengers()))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (passengers().drop(columns=["sex", "pclass"]), "columns are missing.*\n  got: +no pclass, sex"),
        (passengers().assign(pclass="first"), "column pclass: .*a number.*\n  got: +a text such as first"),
        (passengers().assign(sex=1.0), "column sex: .*a category.*\n  got: +a number such as 1.0"),
        (np.zeros((2, 3)), "the model takes a table"),
    ],
)
def test_rows_that_do_not_fit_the_signature_are_refused(tmp_path, rows, message):
    exported(tmp_path)
    with pytest.raises(BadInput, match=message):
        predict(tmp_path, rows)


def test_a_column_without_any_value_fits_either_kind(tmp_path):
    exported(tmp_path)
    rows = passengers().assign(sex=np.nan, pclass=pd.Series([None] * 40, dtype=object))
    assert np.isfinite(predict(tmp_path, rows)).all()


def test_no_rows_give_no_answers(tmp_path):
    exported(tmp_path)
    assert predict(tmp_path, passengers()[:0]).shape == (0, 2)


def test_a_network_with_the_wrong_number_of_outputs_is_refused(tmp_path):
    preprocessor = fit_preprocessor(passengers())
    net = network(preprocessor.output_shape[-1], 3)
    with pytest.raises(ValueError, match="has 3 outputs, must be 2"):
        export_model(preprocessor, net, tmp_path, columns=COLUMNS, target_name="y", classes=("a", "b"))
    assert not list(tmp_path.iterdir())
