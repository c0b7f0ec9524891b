"""The report's sections in order: the table `SECTIONS`. A new section is one line in it.

A section is made of parts. Each is a function from the run to Markdown, empty if there is nothing to show. A part that
fails is replaced by a note; the other parts are still made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from reports import diagnosis, explanations, figures, glossary, network, repairs, saving, shipped, tables
from reports.escape import safe
from reports.markup import folded_note, not_made, tabset, titled
from reports.metric_names import titles_of
from reports.run import Run

Part = Callable[[Run], str]


def _always(run: Run) -> bool:
    return True


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Args:
        title: Its heading.
        anchor: The heading's id, for links.
        parts: Functions from the run to Markdown, by the name under which a failure is reported.
        shown: Whether the section is in the report of a run.
    """

    title: str
    anchor: str
    parts: dict[str, Part]
    shown: Callable[[Run], bool] = _always


class ReportIncomplete(Exception):
    """Parts of the report could not be made."""


def markdown(run: Run, sections: Iterable[Section]) -> Iterator[str]:
    """Yields the report piece by piece, from its first heading to the scripts that draw charts and save tables.

    Raises:
        ReportIncomplete: at the end, if a part failed.
    """
    failures: list[str] = []
    for section in sections:
        if section.shown(run):
            yield f"## {safe(section.title)} {{#{section.anchor}}}\n"
            for name, part in section.parts.items():
                try:
                    with figures.trusted():
                        made = part(run)
                    yield made
                except Exception as error:
                    failures.append(f"{name}: {type(error).__name__}: {error}")
                    yield not_made(type(error).__name__, error)
    yield figures.library()
    yield saving.script()
    if failures:
        raise ReportIncomplete("; ".join(failures))


def _forest(run: Run) -> str:
    if run.plan.held_out:
        return figures.tabs(
            figures.forest(run.verdict, run.plan, run.trials, run.metrics),
            caption="Dot: mean over folds. Bar: its interval. Faint circles: the seeds, each the mean over its folds. "
            "Lines: the baselines; one that is far from all recipes stands at the edge, with its value.",
        )
    return figures.tabs(
        figures.forest(run.verdict, run.plan, run.trials, run.metrics),
        caption="Dot: mean over seeds. Bar: its interval over rows and seeds together. Faint circles: the seeds, on "
        "these rows. Lines: the baselines; one that is far from all recipes stands at the edge, with its value.",
    )


_HOW_TO_READ = """\
Each recipe is trained once per seed. Recipes share their seeds, so each comparison is paired: initial weights and batch
order are the same on both sides. *Difference* is the leader minus the other, signed so that positive means the leader
is better. *p, Holm* is the p-value of a paired Student's t test, corrected for all pairs of recipes. *Effect size*
is the mean difference over its standard deviation between seeds. *Smallest difference* is the least that this many
seeds could have shown; where it is larger than what would matter to you, train more seeds. *Can't tell* means just
that: it does not mean that two recipes are equal."""


_HOW_TO_READ_FOLDS = """\
Each recipe is trained in every fold, on the same rows and from the same initial weights as the others, so each
comparison is paired by fold. *Difference* is the leader minus the other, signed so that positive means the leader is
better. *p, Holm* is the p-value of a paired Student's t test, its variance corrected for the training rows that folds
share, adjusted for all pairs. *Effect size* is the mean difference over its standard deviation between folds.
*Smallest difference* is the least that these folds could have shown; more repeats hardly lower it, more rows do. *Can't
tell* means just that: it does not mean that two recipes are equal."""


def _progress(run: Run) -> str:
    charts = figures.tabs(
        figures.progress(run.verdict, run.plan, run.settings),
        caption="Best by budget: the best that so many of the settings tried, drawn at random, are expected to "
        "hold; the three leading recipes have a 95% bootstrap band (too narrow towards the right end). A diverged "
        "setting counts as the worst of the search. Methods that learn from earlier settings, or stop some early, show "
        "the best so far instead, without a band: their settings can't be reordered. Cross: diverged. Triangle: "
        "stopped early. Scores far below the others are drawn at the edge. Ring, against time: no setting is both "
        "better and faster.",
    )
    return titled("Progress of the search", charts)


def _parallel(run: Run) -> str:
    charts = figures.tabs(
        figures.parallel(run.verdict, run.plan, run.settings),
        caption="One line a setting, darker where it scored better; its score is the last axis. The ten best stand "
        "out; point at a score to follow its line. Axes are on the scale of their range. Of many settings an even "
        "selection is drawn, of many recipes the eight with the best settings.",
    )
    return titled("All settings of a recipe", charts)


def _importance(run: Run) -> str:
    charts = figures.tabs(
        figures.importance(run.verdict, run.plan),
        caption="Functional ANOVA of the scores: each hyperparameter's main effect as a share of their variance. What "
        "is left to 100% is noise and interactions of hyperparameters. Of one that is not always active it is the "
        "share among the settings where it is. Recipes with fewer than ten settings are left out.",
    )
    return titled("What decided", charts)


def _slices(run: Run) -> str:
    charts = figures.slices(run.verdict, run.plan, run.settings)
    charts |= figures.learning_rates(run.verdict, run.plan, run.settings)
    shown = figures.tabs(
        charts,
        caption="A setting is a dot, a cross where it diverged, a triangle where it was stopped early. Learning "
        "rates have a line: the best setting in each third of a decade.",
    )
    return titled("Hyperparameters one by one", shown)


def _learning_curves(run: Run) -> str:
    return figures.tabs(
        figures.learning_curves(run.curves, run.trials, run.plan, run.verdict),
        caption="Mean over the seeds, the same ones at every epoch: one that stopped early keeps its last value. Ring: "
        "from here on some have stopped. Band: the lowest to the highest seed, of the three leading recipes; click a "
        "recipe in the legend to bring it out with its band, shift-click for several. Seeds that diverged are left out "
        "where others finished; a recipe that diverged in all leaves at the top.",
        empty="No trial was trained.",
    )


def _cost_curve(run: Run) -> str:
    told = ""
    if run.plan.held_out:
        told = " Of the answers out of fold in the first repeat; intervals are over rows alone."
    return figures.tabs(
        figures.cost_curve(run.verdict),
        caption="Line: the mean cost of a test case at each threshold, with its interval point by point. Dashed: the "
        "threshold that the validation part chose; grey: how far that moves over resamples and seeds." + told,
    )


def _by_slice(run: Run) -> str:
    verdict = run.verdict
    if verdict is None or not verdict.slices:
        return ""
    tabs = {}
    who = "the procedure out of fold" if verdict.out_of_fold else "the shipped model"
    for found in verdict.slices:
        chart = figures.by_slice(verdict, found)
        drawn = figures.place(chart, f"Dot: {who} on the rows of a slice. Dashed: on all.") if chart else ""
        tabs[" and ".join(found.columns)] = drawn + tables.slicing(verdict, found)
    return tabset(tabs)


def _trials(run: Run) -> str:
    return tabset(
        {
            "Trials": tables.trials(run.trials, run.metrics, run.plan.metric, titles_of(run.plan)),
            "Stacks": tables.stacks(run.plan),
            "Skipped": tables.skipped(run.plan),
        }
    )


def _appearing(run: Run) -> dict[str, list[str]]:
    """Returns the parts of the recipes that the glossary may have pages on. A constant rate needs no explanation."""
    recipes = run.plan.recipes
    return {
        "optimizers": [each.optimizer for each in recipes],
        "schedules": [each.schedule for each in recipes if each.schedule != "constant"],
        "averagings": [name for each in recipes if (name := each.settings.averaging.name) != "none"],
        "losses": [each.settings.loss.name for each in recipes],
        "gradients": [name for each in recipes for name in each.settings.on_gradients],
    }


SECTIONS: dict[str, Section] = {
    "verdict": Section(
        "Verdict",
        "verdict",
        {
            "run": lambda run: tables.of_run(run.folder.name, run.plan, run.environment),
            "decision": lambda run: tables.decision(run.verdict),
            "gates": lambda run: tables.gates(run.verdict),
            "comparison": lambda run: tables.compared(run.verdict),
            "champion": lambda run: tables.champion(run.verdict),
            "warnings": lambda run: tables.warnings(run.verdict),
            "next": lambda run: tables.next_steps(run.verdict),
            "baselines": lambda run: tables.baselines(run.verdict),
            "scope": lambda run: tables.scope(run.verdict, run.plan),
        },
    ),
    "out of fold": Section(
        "Out of fold",
        "out-of-fold",
        {
            "out of fold": lambda run: tables.out_of_fold(run.verdict),
            "out of fold chart": lambda run: figures.tabs(
                figures.out_of_fold(run.verdict),
                caption="Dot: the procedure in one fold, on the rows held out. Line: the mean. Band: its interval.",
            ),
        },
        shown=lambda run: bool(run.verdict and run.verdict.out_of_fold),
    ),
    "explanations": Section(
        "Explanations",
        "explanations",
        {"explanations": explanations.explanations},
        shown=lambda run: bool(run.plan.spec.get("explain")),
    ),
    "data": Section(
        "Data",
        "data",
        {
            "data": lambda run: tables.data(run.plan) + tables.columns(run.plan),
            "validation": lambda run: tables.validation(run.validation),
        },
    ),
    "comparison": Section(
        "Comparison",
        "comparison",
        {
            "forest": _forest,
            "comparison": lambda run: tables.comparison(run.verdict, run.plan),
            "differences": lambda run: tables.differences(run.verdict),
            "differences chart": lambda run: figures.tabs(figures.differences(run.verdict, run.plan)),
            "how to read this": lambda run: folded_note(
                "How to read this", _HOW_TO_READ_FOLDS if run.plan.held_out else _HOW_TO_READ
            ),
        },
    ),
    "tuning": Section(
        "Tuning",
        "tuning",
        {
            "search": lambda run: tables.search(run.plan, run.verdict),
            "search warnings": lambda run: tables.search_warnings(run.verdict),
            "best settings": lambda run: titled("Best settings", tables.settings(run.verdict, run.plan)),
            "progress": _progress,
            "parallel coordinates": _parallel,
            "importance": _importance,
            "slices": _slices,
            "sensitivity": lambda run: titled(
                "Sensitivity to the learning rate", tables.sensitivity(run.verdict, run.plan)
            ),
        },
        shown=lambda run: bool(run.plan.search),
    ),
    "augmentation": Section(
        "Augmentation",
        "augmentation",
        {
            "previews": lambda run: tables.previews(run.previews, run.pictures),
            "effects": lambda run: tables.effects(run.verdict),
            "effects chart": lambda run: figures.tabs(figures.effects(run.verdict, run.plan)),
        },
        shown=lambda run: bool(run.previews or (run.verdict and run.verdict.augmentation)),
    ),
    "learning curves": Section("Learning curves", "learning-curves", {"learning curves": _learning_curves}),
    "diagnosis": Section(
        "Diagnosis",
        "diagnosis",
        {"diagnosis": diagnosis.diagnoses, "repairs": repairs.repairs},
        shown=lambda run: bool(run.verdict and len(run.curves)),
    ),
    "network": Section("Inside the networks", "network", network.PARTS, shown=network.has_layers),
    "gates": Section("Gates", "gates", {"gates": lambda run: figures.gates(run.verdict)}),
    "size": Section(
        "Size and speed",
        "size",
        {
            "footprints": lambda run: tables.footprints(run.verdict, run.plan),
            "footprints chart": lambda run: figures.tabs(
                figures.footprints(run.verdict, run.plan),
                caption="Dot: a recipe, its mean on the test part against what it takes, with its "
                "interval. Dashed: the front; what is not on it is faint.",
            ),
        },
        shown=lambda run: bool(run.verdict and run.verdict.footprints),
    ),
    "costs": Section(
        "Threshold and costs",
        "costs",
        {
            "threshold": lambda run: tables.threshold(run.verdict),
            "cost by threshold": _cost_curve,
            "costs": lambda run: tables.costs(run.verdict),
        },
        shown=lambda run: bool(run.verdict and run.verdict.operating_point and run.verdict.operating_point.how),
    ),
    "slices": Section(
        "Slices",
        "slices",
        {"slices": _by_slice},
        shown=lambda run: bool(run.verdict and run.verdict.slices),
    ),
    "predictions": Section("Predictions", "predictions", shipped.PARTS),
    "trials": Section("Trials", "trials", {"trials": _trials}),
    "glossary": Section(
        "Glossary",
        "glossary",
        {"glossary": lambda run: glossary.glossary(_appearing(run))},
        shown=lambda run: glossary.knows(_appearing(run)),
    ),
    "reproduce": Section(
        "Reproduce",
        "reproduce",
        {
            "reproduce": lambda run: tables.reproduce(run.plan, run.environment, run.stages, run.spec, run.renderer),
        },
    ),
}
"""The sections by name, in the order of the report."""
