"""This project as its main flow trains: trials divided into stacks, the longest first, one stack per core.

Only `train_all` of the bench calls the trainer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tasks.training.trial import Arrays, Outcome, Trial
from tests.bench.searches import Searched, SearchWork
from tests.bench.work import Trained, Work
from tests.bench.workloads import trials

SAMPLED = False

StackProgress = Callable[[int, int, int], None]
"""Called with (stack, steps done, steps in all) between epochs."""


def open_device(work: Work | None = None) -> None:
    from flows.environment import quieten

    quieten()

    import tensorflow as tf

    import tasks.planning.plan
    import tasks.training.stack

    assert tasks.planning.plan, tasks.training.stack
    tf.add(1.0, 1.0).numpy()


def incompatibility(work: Work) -> str | None:
    """Returns why the stacked trainer can't train this network, or None."""
    from tasks.training.stacked_networks import incompatibility

    shape = work.arrays.train.shape
    return incompatibility(work.workload.network.architecture().build(shape, work.arrays.outputs))


def train(work: Work) -> list[Trained]:
    outcomes = train_all(trials(work.workload, work.recipes, work.epochs), work.arrays)
    return [
        Trained(
            int(outcome.trial.trial_id),
            outcome.steps,
            [value for _, _, name, value in outcome.curves if name == work.metric],
        )
        for outcome in outcomes
    ]


def train_all(
    chosen: Sequence[Trial], arrays: Arrays, progress: StackProgress | None = None, *, signals: bool = False
) -> list[Outcome]:
    """Trains recipes of one seed; the outcomes are in no particular order."""
    from tasks.planning.cost_model import cores, divide
    from tasks.planning.stacks import work_of
    from tasks.training.stack import train_stack

    first = chosen[0]
    model = first.architecture.build(arrays.train.shape, arrays.outputs)
    steps = first.epochs * arrays.steps_per_epoch(first.batch_size)
    rules = [trial.optimizer.update.__name__ for trial in chosen]
    division = divide([[trial] for trial in chosen], rules, work_of(model, first.batch_size, steps), cores())
    with ThreadPoolExecutor(cores()) as pool:
        futures = [
            pool.submit(
                train_stack,
                part,
                arrays,
                xla=division.xla,
                signals=signals,
                progress=progress and partial(progress, number),
            )
            for number, part in enumerate(sorted(division.stacks, key=len, reverse=True))
        ]
        return [outcome for future in futures for outcome in future.result()]


def search(work: SearchWork) -> list[Searched]:
    """Runs the search stage: asking, planning, training, recording, and the plan of the final trials."""
    from tasks import stages
    from tasks.records.tables import SETTINGS

    planned = stages.plan_search(work.run, work.plan, work.prepared, work.splits)
    stages.search(work.run, work.plan, work.prepared, planned)
    settings = SETTINGS.read(work.run.folder)
    return [Searched(*one) for one in zip(settings["epochs"], settings["score"], strict=True)]
