"""The catalogue: every data set known by name, in one table. A new one is one entry of `CATALOGUE`.

An entry says where the bytes come from, how they are read, what is predicted, and which columns must not be inputs and
why. All else (kinds of columns, blanks, classes) is inferred from the data, as for any file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tasks.spec.data import Read

NOT_STATED = "not stated"
SAME_TEXT = "same text"
"""As an entry's `group`: texts that differ only in case, punctuation and blanks stay in one part."""


@dataclass(frozen=True)
class File:
    """One file of a data set, recognised by its content.

    Args:
        name: Its name in the cache and in a folder that BAKEOFF_DATA names.
        digest: `sha256:HEX`, or `md5:HEX` where its publisher states no other.
        addresses: Its URLs, in the order they are tried.
        part: `train` or `test` where the set comes in parts.
        instead: Other files with the same rows. They are used where found, but never downloaded.
        made: For a file without addresses: the one command that makes it from a public source.
    """

    name: str
    digest: str
    addresses: tuple[str, ...] = ()
    part: str | None = None
    instead: tuple[File, ...] = ()
    made: str = ""


@dataclass(frozen=True)
class Entry:
    """What is known about a data set before it is read. The defaults are those of a file that is not in the catalogue.

    Args:
        summary: One line for `bakeoff list datasets`.
        origin: Who made the data.
        licence: As its source states it.
        files: What is read, in order. Empty for a set that is bundled or made.
        bundled: The scikit-learn function that holds it (`load_digits`).
        made: The function of `tasks.datasets.made` that makes it.
        form: What the files are: tables, IDX images and labels, sprites (32 x 32 pixels a row) and then their labels,
            or one archive of WAV files (clips).
        text: The column of free text that is the only input.
        clip_names: Regular expression for the clips' paths; its groups are columns, `label` among them.
        test_clips: A column, and those of its values that make up the official test part of the clips.
        read: How its tables are read.
        target: What is predicted unless the spec says otherwise.
        names: Target value to class name, in the order of the classes; None: the values themselves, sorted.
        target_suffix: Text that some files append to the target's values.
        rename: Column name in the file to the name used here.
        clock: Columns of `minutes:seconds` text, read as seconds.
        leave_out: Columns that are no inputs unless the spec names them in `features`, each with its reason.
        group: Rows with one value in this column stay in one part, unless the spec splits otherwise.
        notes: What everyone who uses it should know.
    """

    summary: str = ""
    origin: str = ""
    licence: str = NOT_STATED
    files: tuple[File, ...] = ()
    bundled: str | None = None
    made: str | None = None
    form: Literal["tables", "idx", "sprites", "clips"] = "tables"
    text: str | None = None
    clip_names: str = ""
    test_clips: tuple[str, tuple[str, ...]] = ("", ())
    read: Read = field(default_factory=Read)
    target: str | None = None
    names: Mapping[str, str] | None = None
    target_suffix: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    clock: tuple[str, ...] = ()
    leave_out: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    notes: tuple[str, ...] = ()


def _github(repository: str, commit: str, path: str) -> str:
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"


_BIRTHS = (
    "GoogleCloudPlatform/training-data-analyst",
    "a3083130c24bbce167714c8630eaf21598c9c9a7",
    "courses/machine_learning/deepdive/06_structured/",
)
_ADULT_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
]
_MAMMOGRAPHY_COLUMNS = [
    "area",
    "grey_level",
    "gradient_strength",
    "noise_fluctuation",
    "contrast",
    "shape",
    "calcification",
]
_GERMAN_COLUMNS = [
    "checking_account",
    "duration",
    "credit_history",
    "purpose",
    "credit_amount",
    "savings",
    "employment_since",
    "installment_rate",
    "personal_status_and_sex",
    "other_debtors",
    "residence_since",
    "property",
    "age",
    "other_installment_plans",
    "housing",
    "existing_credits",
    "job",
    "dependents",
    "telephone",
    "foreign_worker",
    "risk",
]


def _mnist(name: str, sha256: str, part: str) -> File:
    addresses = (
        _github("fgnt/mnist", "ae608a02b796c9ee908c082585a5f006fe05258e", name),
        f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}",
        f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}",
    )
    return File(name, f"sha256:{sha256}", addresses, part)


def _fashion(name: str, digest: str, part: str) -> File:
    addresses = (
        _github(
            "zalandoresearch/fashion-mnist",
            "b2617bb6d3ffa2e429640350f613e3291e10b141",
            f"data/fashion/{name}",
        ),
        f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}",
    )
    return File(name, digest, addresses, part)


def _cifar(name: str, sha256: str, instead: tuple[File, ...] = ()) -> File:
    address = _github("larrabeew/covnetJS", "0d2866f3c12431c9044d3f275a588c12dc785926", f"demo/cifar10/{name}")
    return File(name, f"sha256:{sha256}", (address,), instead=instead)


CATALOGUE: dict[str, Entry] = {
    "digits": Entry(
        summary="1,797 handwritten digits, 8x8 pixels; bundled with scikit-learn",
        origin="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), its test part",
        licence="not stated in scikit-learn's copy (scikit-learn itself: BSD-3-Clause)",
        bundled="load_digits",
        form="idx",
        notes=("pixels run from 0 to 16, not to 255",),
    ),
    "breast-cancer": Entry(
        summary="569 tumours, 30 measurements, benign or malignant; bundled with scikit-learn",
        origin="Wolberg, Street and Mangasarian 1995, Breast Cancer Wisconsin (Diagnostic), UCI",
        licence="not stated in scikit-learn's copy (scikit-learn itself: BSD-3-Clause)",
        bundled="load_breast_cancer",
        target="diagnosis",
    ),
    "wine": Entry(
        summary="178 wines, 13 chemical measurements, 3 cultivars; bundled with scikit-learn",
        origin="Forina et al. 1991, Wine recognition data, UCI",
        licence="not stated in scikit-learn's copy (scikit-learn itself: BSD-3-Clause)",
        bundled="load_wine",
        target="cultivar",
    ),
    "diabetes": Entry(
        summary="442 patients, 10 measurements, disease progression after a year; bundled with scikit-learn",
        origin="Efron, Hastie, Johnstone and Tibshirani 2004, Least Angle Regression",
        licence="not stated in scikit-learn's copy (scikit-learn itself: BSD-3-Clause)",
        bundled="load_diabetes",
        target="progression",
    ),
    "titanic": Entry(
        summary="891 passengers, 10 numeric columns, survived (38%)",
        origin="Kaggle 'Titanic: Machine Learning from Disaster', training set, DataCamp's numeric version",
        files=(
            File(
                "titanic_all_numeric.csv",
                "sha256:e2c355b01a882117f8ca504d9a007eaab58d77cde3378b2fd3bf55e36349566e",
                (
                    _github(
                        "youngsoul/intro_to_keras",
                        "9cf146fba07b951a3896a5ac7321aa74f9a12443",
                        "data/titanic.csv",
                    ),
                ),
            ),
        ),
        target="survived",
        notes=(
            "missing ages were filled with the mean over all rows before any split",
            "names and tickets are gone, so 111 rows are exact duplicates of others: different people",
        ),
    ),
    "shot-log": Entry(
        summary="128,069 NBA shots of 2014-15, 10 columns, made (45%); split by game",
        origin="Kaggle dansbecker/nba-shot-logs, from the NBA's public statistics",
        files=(
            File(
                "nba-shot-logs.zip",
                "sha256:3452a50eb4984fc776229a516645c2bc80c281ceafffcad317666bf066e70c76",
                (
                    _github(
                        "Olabode-Cole/Data-Management-Visualization-",
                        "070a138bec1a8f34014964526f9f69caf4f75a82",
                        "nba-shot-logs.zip",
                    ),
                ),
                instead=(
                    File(
                        "shot_logs.kaggle_names.csv.gz",
                        "sha256:0275d854211337385831d7d0ada4e6a0afc30457793b9a014dc55e99de18a96f",
                    ),
                ),
            ),
        ),
        target="FGM",
        names={"0": "missed", "1": "made"},
        rename={
            "converted_y": "TOUCH_TIME",
            "converted_x": "SHOT_DIST",
            "result": "SHOT_RESULT",
            "player": "player_name",
        },
        clock=("GAME_CLOCK",),
        leave_out={
            "SHOT_RESULT": "is the target as text",
            "PTS": "is zero exactly when the shot missed",
            "W": "is known only after the game",
            "FINAL_MARGIN": "is known only after the game",
            "GAME_ID": "names the game",
            "MATCHUP": "names the game",
            "CLOSEST_DEFENDER": "names a person",
            "CLOSEST_DEFENDER_PLAYER_ID": "names a person",
            "player_name": "names a person",
            "player_id": "names a person",
        },
        group="GAME_ID",
        notes=("TOUCH_TIME holds 312 negative values; SHOT_CLOCK is blank in 5,567 rows",),
    ),
    "mnist": Entry(
        summary="60,000 + 10,000 handwritten digits, 28x28 pixels",
        origin="LeCun et al. 1998, Gradient-based learning applied to document recognition",
        licence="CC BY-SA 3.0, as stated by the Keras documentation (copyright LeCun and Cortes)",
        files=(
            _mnist(
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "train",
            ),
            _mnist(
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "train",
            ),
            _mnist(
                "t10k-images-idx3-ubyte.gz",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "test",
            ),
            _mnist(
                "t10k-labels-idx1-ubyte.gz",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                "test",
            ),
        ),
        form="idx",
    ),
    "fashion-mnist": Entry(
        summary="60,000 + 10,000 pictures of clothes, 28x28 pixels, 10 classes",
        origin="Xiao, Rasul and Vollgraf 2017, Fashion-MNIST (Zalando Research)",
        licence="MIT",
        files=(
            _fashion("train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d", "train"),
            _fashion(
                "train-labels-idx1-ubyte.gz",
                "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "train",
            ),
            _fashion("t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79", "test"),
            _fashion(
                "t10k-labels-idx1-ubyte.gz",
                "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                "test",
            ),
        ),
        form="idx",
        names={
            str(label): name
            for label, name in enumerate(
                [
                    "T-shirt/top",
                    "Trouser",
                    "Pullover",
                    "Dress",
                    "Coat",
                    "Sandal",
                    "Shirt",
                    "Sneaker",
                    "Bag",
                    "Ankle boot",
                ]
            )
        },
    ),
    "california-housing": Entry(
        summary="20,640 districts of 1990, 9 columns, median house value (dollars)",
        origin="Pace and Barry 1997, Sparse Spatial Autoregressions; columns added by A. Geron",
        licence="not stated for the data (1990 US census); its repository: Apache-2.0",
        files=(
            File(
                "housing.csv",
                "sha256:8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
                (
                    _github(
                        "ageron/handson-ml2",
                        "1e2115277b50f6c584cd668fa30e3af309a5b136",
                        "datasets/housing/housing.csv",
                    ),
                ),
            ),
        ),
        target="median_house_value",
        notes=(
            "965 values stand at the cap of 500,001 dollars: the true ones are higher",
            "the 207 blanks in total_bedrooms were made on purpose by the book's author",
        ),
    ),
    "mammography": Entry(
        summary="11,183 spots of mammograms, 6 columns, microcalcification (2.3%)",
        origin="Woods et al. 1993, Int. J. Pattern Recognition and Artificial Intelligence 7(6)",
        licence="not stated in the files",
        files=(
            File(
                "mammography.csv",
                "sha256:7d3dea3f075f30bbdbb8980e7725684059b4fe3d0f850fadd0f635f6993d8730",
                (_github("jbrownlee/Datasets", "d20fcb6402ae34e653d4513b00f39257bb37ed7f", "mammography.csv"),),
            ),
        ),
        read=Read(header=False, columns=_MAMMOGRAPHY_COLUMNS),
        target="calcification",
        names={"'-1'": "no", "'1'": "yes"},
        notes=("3,334 rows are exact copies of others: a random split puts copies into two parts",),
    ),
    "parking": Entry(
        summary="20,000 looks at parking spaces, 6 columns, free (1%); made",
        origin="made by Bakeoff with a fixed seed, to show what accuracy hides",
        licence="Apache-2.0, as Bakeoff",
        made="parking",
        target="space",
        notes=("these are not real",),
    ),
    "german-credit": Entry(
        summary="1,000 loans, 20 columns, credit risk (30% bad)",
        origin="Hofmann 1994, Statlog (German Credit Data)",
        licence="not stated in the files (UCI is believed to say CC BY 4.0; not verified)",
        files=(
            File(
                "german.data",
                "sha256:b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871",
                (_github("lmw0612/Master_Thesis", "3fec20c78cc6ce5f194a618421bb52066819d0ab", "german.data"),),
            ),
        ),
        read=Read(header=False, columns=_GERMAN_COLUMNS, separator=" "),
        target="risk",
        names={"1": "good", "2": "bad"},
        notes=("its official costs: calling a bad customer good costs 5, calling a good one bad costs 1",),
    ),
    "adult": Entry(
        summary="32,561 + 16,281 people of 1994, 13 columns, income over 50K (24%)",
        origin="Kohavi 1996 and Becker, Adult / Census Income, UCI",
        licence="not stated in the files (UCI is believed to say CC BY 4.0; not verified)",
        files=(
            File(
                "adult.data",
                "sha256:5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                (
                    _github(
                        "jgorthi/Fairness-in-Machine-Learning",
                        "50cb7551a9a4031237679a91e8fe3791d6bc4e01",
                        "adult.data",
                    ),
                ),
                part="train",
            ),
            File(
                "adult.test",
                "sha256:a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
                (_github("rashadmin/Adult_", "b67a16f5090fb4674b53d4f2815b5508b5962ff6", "adult.test"),),
                part="test",
            ),
        ),
        read=Read(header=False, columns=_ADULT_COLUMNS, separator=",", missing=["", "?"], comment="|"),
        target="income",
        target_suffix=".",
        leave_out={"fnlwgt": "is a survey weight, not a trait of the person"},
    ),
    "electricity": Entry(
        summary="45,312 half-hours, 7 columns, the price of electricity goes up (42%) or down; in order of time",
        origin="Harries 1999, Splice-2 comparative evaluation: electricity pricing; scaled by Gama",
        files=(
            File(
                "electricity.zip",
                "sha256:67f1717e40fca99f4dea6aa88c3de6ce47256c352635c66e3fe111da065407e9",
                (
                    _github(
                        "MaxHalford/maxhalford.github.io",
                        "d2e2164548a9ba0476f5c74f8d395bad4e408ea4",
                        "static/files/datasets/electricity.zip",
                    ),
                ),
            ),
        ),
        target="class",
        notes=(
            "half-hours are alike: that the price does what it did half an hour ago is right for most rows; rows must "
            "not be shuffled (data.split.time: date)",
        ),
    ),
    "births": Entry(
        summary="33,026 rows of US births after 2000, 4 columns, weight (pounds); split by month",
        origin="US NCHS natality 1969-2008, sampled for a Google Cloud training course",
        licence="US NCHS data use rules: no re-identification (its repository: Apache-2.0)",
        files=(
            File(
                "train.csv",
                "sha256:9f5adb3e12fb9ca1a274d8fb17c4f21c5a2e9092054a8dd14198685891fa29e9",
                (_github(*_BIRTHS) + "train.csv",),
                part="train",
            ),
            File(
                "eval.csv",
                "sha256:1b05d81ddd5346d2a69512621e99a3ea77321d2923209494326edd4912ad50f3",
                (_github(*_BIRTHS) + "eval.csv",),
                part="test",
            ),
        ),
        read=Read(
            header=False,
            columns=["weight_pounds", "is_male", "mother_age", "plurality", "gestation_weeks", "key"],
        ),
        target="weight_pounds",
        leave_out={"key": "is a hash of year and month"},
        group="key",
        notes=("every birth stands twice, exact and as known without ultrasound: split by key, never by row",),
    ),
    "sms-spam": Entry(
        summary="5,574 text messages, spam (13%); copies stay in one part",
        origin="Almeida, Gomez Hidalgo and Yamakami 2011, SMS Spam Collection v.1 (ACM DocEng)",
        licence="own terms: free, without warranty; copyright Almeida and Hidalgo, please cite",
        files=(
            File(
                "SMSSpamCollection",
                "sha256:7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
                (
                    _github(
                        "ia4legos/MachineLearning",
                        "4287de2d8a05727f41bb949f2bd187e8becc7e3e",
                        "data/SMSSpamCollection",
                    ),
                ),
            ),
        ),
        read=Read(header=False, columns=["label", "message"], separator="\t", quoting="none"),
        target="label",
        text="message",
        group=SAME_TEXT,
        notes=("403 messages are exact copies of others; texts hold phone numbers and coarse language",),
    ),
    "spoken-digits": Entry(
        summary="3,000 recordings of spoken digits, 6 speakers, 8 kHz",
        origin="Jackson et al., Free Spoken Digit Dataset",
        licence="CC BY-SA 4.0",
        files=(
            File(
                "recordings.tar.gz",
                "sha256:2d178c1fd9c2a4522b8dcc3c360c6c86bdfd4e1904a9d1f4bc79ce603d24cbf2",
                made="git clone https://github.com/Jakobovski/free-spoken-digit-dataset && "
                "git -C free-spoken-digit-dataset archive --format=tar 26eb9aaf76e81b692f806f9140c2d2777410d7a1 "
                "recordings | gzip -9 -n > recordings.tar.gz",
            ),
        ),
        form="clips",
        clip_names=r"(?P<label>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)\.wav$",
        test_clips=("take", ("0", "1", "2", "3", "4")),
        notes=("the official test part holds the same six speakers; data.split.group: speaker holds speakers out",),
    ),
    "cifar-small": Entry(
        summary="2,000 photographs of 10 classes, 32x32 pixels in colour",
        origin="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images: the first 2,000 images",
        licence="not stated (as sprites in convnetjs, MIT)",
        files=(
            _cifar("cifar10_batch_0.png", "0614720d69293a033786d5fe2924c4e9a9b48874f19ca4627c4662a864ee9f2d"),
            _cifar("cifar10_batch_1.png", "2927e26ea68602e34a7424826b76b7336ce36b8f6bcc2e9fce0c05568ff6b4c1"),
            _cifar(
                "cifar10_labels.js",
                "f8e4cced3cb4ac08bc842380ad30f904622d1faea630a0c7e1a18bf29e39d845",
                instead=(
                    File("labels.csv", "sha256:08276a58208d78557649d2ee0a499c80a97920110a6dc514f4b4f964d10b592f"),
                ),
            ),
        ),
        form="sprites",
        names={
            str(label): name
            for label, name in enumerate(
                [
                    "airplane",
                    "automobile",
                    "bird",
                    "cat",
                    "deer",
                    "dog",
                    "frog",
                    "horse",
                    "ship",
                    "truck",
                ]
            )
        },
    ),
}
