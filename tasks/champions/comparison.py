"""Compares challenger and champion on the same test rows: replace, keep, or can't tell.

The champion answers through its own saved pipeline, from the raw rows. Rows that a model learned from would favour it.
So a test row counts only if it is new to both models: it equals no row of the training or validation part of either
model, and belongs to no group of the champion's rows. Rows are identified by the digest in table `splits`.

Without a test part, the rows that folds held out are used, with the answers of trials trained without them. This
compares the procedure that made the shipped model, not that model, which learned from all rows. A row that occurs twice
does not count, because its copy may have been learned from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from tasks.champions.store import Champion
from tasks.dataset import TEST, Dataset
from tasks.errors import BadInput
from tasks.evaluation.comparison import BETTER, CANNOT_TELL
from tasks.evaluation.decisions import Answers, Deciding, recorded_thresholds
from tasks.evaluation.fold_rows import FoldAnswers
from tasks.evaluation.fold_scores import FoldScores
from tasks.evaluation.intervals import RESAMPLES
from tasks.evaluation.judged_rows import JudgedRows
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.rounding import interval, signed_interval
from tasks.evaluation.verdict import side_of_zero
from tasks.evaluation.wording import inside, opening, rows
from tasks.records.estimate import Estimate
from tasks.records.plan import Plan
from tasks.records.tables import SPLITS
from tasks.records.verdict import AgainstChampion, Verdict
from tasks.serving.answers import chosen_classes
from tasks.training.exported import Exported, load_exported, read_signature
from tasks.validation.rows import row_digests

FEWEST = 30
"""The least number of test rows, new to both models, for a comparison."""
_CHAMPION = "champion"

Tables = Mapping[str, pd.DataFrame]
Signature = Mapping[str, Any]
Answer = Literal["replace", "keep", "can't tell"]


def compare_with_champion(
    champion: Champion,
    plan: Plan,
    dataset: Dataset,
    deciding: Deciding,
    verdict: Verdict,
    tables: Tables,
    fold_answers: FoldAnswers | None = None,
) -> AgainstChampion:
    """Compares the model that a run ships with the champion.

    Args:
        plan: The run's plan; `verdict`: its verdict, which has a shipped model.
        deciding: How answers are made from predictions, and what answers cost.
        tables: The run's `trials`, `predictions`, `metrics` and `splits`.
        fold_answers: The answers of the folds' trials, where folds judge.
    """
    of = plan.parts[TEST]

    def kept(reason: str, count: int = 0) -> AgainstChampion:
        sentence = f"Can't tell whether to replace the champion ({champion.promotion.run}): {reason} It stays."
        return _answer(champion, count, of, "can't tell", sentence)

    try:
        signature = read_signature(champion.model)
        _check_target(signature, dataset)
        known = _known(champion.folder, signature, dataset, tables["splits"])
        if known is None:
            return kept("what it learned from is not on record, so it may have seen the test rows.")
        judged = JudgedRows.of_shipped(plan, verdict, deciding, tables)
        if fold_answers:
            scores = FoldScores.read(plan, tables["trials"], tables["metrics"], {}, {}).of_procedure
            in_folds = fold_answers.in_folds(scores, judged, deciding, recorded_thresholds(tables["metrics"]))
            judged = replace(judged, folds=scores, in_folds=in_folds)
        new = ~known[judged.rows]
        if new.sum() < FEWEST:
            seen = f"one of the two learned from rows equal to {of - new.sum():,} of the {of:,} test rows"
            if fold_answers:
                seen = (
                    f"it learned from rows equal to {of - new.sum():,} of the {of:,} rows held out, or they occur twice"
                )
            return kept(f"{seen}, and {FEWEST} new ones are needed to compare them.", int(new.sum()))
        own = _with_champion(judged, new, verdict, dataset, deciding, load_exported(champion.model))
    except BadInput as error:
        got = f" ({error.got})" if error.got else ""
        return kept(f"it can't answer these data: {error.problem}{got}.")
    return _compared(champion, own, of, verdict)


def _check_target(signature: Signature, dataset: Dataset) -> None:
    """Raises BadInput where the champion predicts another target or other classes."""
    classes = sorted(signature["classes"] or [])
    if signature["target"] != dataset.target_name or classes != sorted(dataset.classes or []):
        said = f"{signature['target']}{': ' + ', '.join(classes) if classes else ''}"
        raise BadInput("it predicts another target or other classes", got=said)


def _known(entry: Path, signature: Signature, dataset: Dataset, splits: pd.DataFrame) -> np.ndarray | None:
    """Marks the data set's rows that equal a row that a model learned from, or may have learned from in a fold, bool
    `[rows]`. None where the rows that the champion learned from are not on record.

    Raises:
        BadInput: columns that the champion needs are missing.
    """
    if not (entry / f"{SPLITS.name}.parquet").is_file():
        return None
    former = SPLITS.read(entry)
    former = former[(former["part"] != TEST).to_numpy(bool)]
    if former["content"].isna().any():
        return None
    table = "shape" not in signature["inputs"][0]
    columns = [each["name"] for each in signature["inputs"]] if table else None
    if table and (missing := [name for name in columns or () if name not in getattr(dataset.raw, "columns", ())]):
        raise BadInput("columns are missing that it was trained on", got=", ".join(missing))
    found = row_digests(dataset, columns)
    learned = (splits["part"] != TEST).to_numpy(bool)
    folds = learned.all()  # then each row is held out in one fold
    twice = pd.Series(found).duplicated(keep=False).to_numpy(bool)
    known = np.isin(found, former["content"].to_numpy(np.int64)) | (twice if folds else np.isin(found, found[learned]))
    groups = former["group"].dropna().unique()
    return known | splits["group"].isin(groups).to_numpy(bool) if len(groups) else known


def _with_champion(
    judged: JudgedRows, new: np.ndarray, verdict: Verdict, dataset: Dataset, deciding: Deciding, exported: Exported
) -> JudgedRows:
    """The judged rows that are new, with the answers of both models."""
    assert verdict.shipped is not None
    own = judged.where(new, verdict.shipped.trial_id)

    def with_both(some: JudgedRows) -> JudgedRows:
        if not len(some.rows):
            return some
        both = {**some.answers, _CHAMPION: _answers(some, dataset, deciding, exported)}
        return replace(some, prior=judged.prior, answers=both)

    found = with_both(own)
    return found if own.parts is None else replace(found, parts=[with_both(each) for each in own.parts])


def _answers(judged: JudgedRows, dataset: Dataset, deciding: Deciding, exported: Exported) -> Answers:
    """The champion's answers, with classes in the data set's order, chosen by the champion's own rule."""
    prediction = np.concatenate([exported.asked(each) for each in dataset.raw_pieces(judged.rows)]).astype(np.float64)
    if dataset.classes is None:
        return deciding.answers(judged.target, prediction, judged.rows, None)
    own = exported.signature["classes"]
    order = [own.index(name) for name in dataset.classes]
    decided = np.eye(len(own))[chosen_classes(prediction, exported)]
    return deciding.answers_as(judged.target.astype(np.int64), prediction[:, order], judged.rows, decided[:, order])


def _compared(champion: Champion, judged: JudgedRows, of: int, verdict: Verdict) -> AgainstChampion:
    assert verdict.shipped is not None
    trial, metric = verdict.shipped.trial_id, METRICS[verdict.metric]
    found = judged.differences(trial, {_CHAMPION: _CHAMPION}, metric, RESAMPLES)[_CHAMPION]
    if judged.parts is not None:
        found = judged.over_parts(
            found, lambda part: metric.sign * (part.value(trial, metric) - part.value(_CHAMPION, metric))
        )
    difference, side = found.estimate(), side_of_zero(found)
    count = len(judged.rows)
    who = "the shipped model"
    where = f"on {rows(count)} of the test part that {'is' if count == 1 else 'are'} new to both"
    if judged.parts is not None:
        who = "the procedure that made the shipped model"
        where = f"out of fold, on {rows(count)} that {'is' if count == 1 else 'are'} new to the champion too"
    title, name = inside(verdict.titles.get(metric.name, metric.title)), champion.promotion.run
    ahead = f"{opening(who)}'s {title} is {interval(difference)} better {where}"
    if side == CANNOT_TELL:
        answer: Answer = "can't tell"
        sentence = f"Can't tell {who} from the champion ({name}): it is {signed_interval(difference)} "
        sentence += f"better in {title} {where}. The champion stays."
        if found.low is None:
            sentence = f"Can't tell {who} from the champion ({name}): {found.reason or 'the rows do not suffice'}. "
            sentence += "The champion stays."
    elif side == BETTER and not verdict.closed:
        answer, sentence = "replace", f"Replace the champion ({name}). {ahead}."
    elif side == BETTER:
        answer, sentence = "keep", f"Keep the champion ({name}). {ahead}, but a blocking gate does not pass."
    else:
        worse = interval(difference.flipped())
        answer = "keep"
        sentence = f"Keep the champion ({name}). {opening(who)}'s {title} is {worse} worse {where}."
    figures = {
        "challenger": judged.interval(trial, metric).estimate(),
        "champion": judged.interval(_CHAMPION, metric).estimate(),
        "difference": difference,
    }
    return _answer(champion, count, of, answer, sentence, **figures)


def _answer(
    former: Champion, count: int, of: int, answer: Answer, sentence: str, **figures: Estimate
) -> AgainstChampion:
    promotion = former.promotion
    return AgainstChampion(
        run=promotion.run, promoted=promotion.promoted, rows=count, of=of, answer=answer, sentence=sentence, **figures
    )
