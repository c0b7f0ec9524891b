"""Which trials differ in their budget alone, so that the longest of them take the steps that all have in common.

They are planned in stacks of their own, apart from trials whose schedules follow the budget from the first step on; the
shorter ones are divided as the longest are, so that each stack finds its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tasks.planning.cost_model import Division
from tasks.planning.groups import Group
from tasks.planning.recipes import identifier
from tasks.planning.trials import bind_trial
from tasks.records.plan import PlannedTrial, Recipe
from tasks.records.settings import RecipeSettings
from tasks.records.stacks import PlannedStack
from tasks.training.branch import shared_steps

_PAYS = 0.5
"""Share of the shorter trial's steps that must be shared at least: stacks of their own have to be compiled."""
_STEPS_PER_EPOCH = 100
"""Taken to see how much is shared, before it is known how many they are."""

Twin = tuple[str, int, int | None, str]
"""What trials agree in that differ in their budget alone: settings, seed, fold, stage."""


def branching(trials: Iterable[PlannedTrial], variants: Mapping[str, Recipe]) -> frozenset[str]:
    """The variants that share enough steps with one of another budget, by id."""
    one_of = {trial.variant_id: trial for trial in trials}
    if len({trial.epochs for trial in one_of.values()}) == 1:
        return frozenset()
    alike: dict[str, list[PlannedTrial]] = {}
    for trial in one_of.values():
        alike.setdefault(_but_for_budget(variants[trial.variant_id].settings), []).append(trial)
    found: set[str] = set()
    for several in alike.values():
        longest = max(several, key=lambda trial: trial.epochs)
        for trial in several:
            if trial.epochs < longest.epochs and _shared(trial, longest, variants) >= _PAYS * trial.epochs:
                found |= {trial.variant_id, longest.variant_id}
    return frozenset(found)


def longest_twins(groups: Sequence[Group], variants: Mapping[str, Recipe], found: frozenset[str]) -> dict[int, int]:
    """By a group's place, that of the group with the longest of the same trials, where that is another one.

    Args:
        found: As `branching` gave it.
    """
    places: dict[frozenset[Twin], list[int]] = {}
    for place, group in enumerate(groups):
        if not group.why and group.first.variant_id in found:
            places.setdefault(frozenset(by_twin(group, variants)), []).append(place)
    return {
        place: longest
        for several in places.values()
        for longest in [max(several, key=lambda each: groups[each].first.epochs)]
        for place in several
        if place != longest
    }


def by_twin(group: Group, variants: Mapping[str, Recipe]) -> dict[Twin, PlannedTrial]:
    """A group's trials by what they agree in with their twins."""
    return {
        (_but_for_budget(variants[each.variant_id].settings), each.seed, each.fold, each.stage): each
        for each in group.trials
    }


def divided_alike(
    group: Group, longest: Group, division: Division[PlannedTrial], variants: Mapping[str, Recipe]
) -> Division[PlannedTrial]:
    """A group divided as the one with its longest twins is."""
    mine = by_twin(group, variants)
    twins = {trial.trial_id: mine[twin] for twin, trial in by_twin(longest, variants).items()}
    stacks = [[twins[trial.trial_id] for trial in part] for part in division.stacks]
    return Division(stacks, division.xla, division.seconds * group.work.steps / longest.work.steps)


def going_on_from(
    longest: PlannedStack, stack: PlannedStack, trials: Sequence[PlannedTrial], variants: Mapping[str, Recipe]
) -> PlannedStack:
    """A stack that goes on from that of its trials' longest twins, as far as the steps are the same for all of them."""
    if stack.evaluate_every != longest.evaluate_every:
        return stack
    per_epoch = stack.steps // trials[0].epochs
    bound = {each.variant_id: bind_trial(each, variants[each.variant_id]) for each in trials}.values()
    longer = [replace(each, epochs=longest.steps // per_epoch) for each in bound]
    pairs = zip(bound, longer, strict=True)
    shared = min(shared_steps(each, other, per_epoch, stack.evaluate_every) for each, other in pairs)
    return replace(stack, after=longest.stack_id, shared=shared) if shared else stack


def _but_for_budget(settings: RecipeSettings) -> str:
    return identifier({name: value for name, value in settings.document.items() if name != "epochs"})


def _shared(shorter: PlannedTrial, longer: PlannedTrial, variants: Mapping[str, Recipe]) -> float:
    """Epochs."""
    each, other = (bind_trial(trial, variants[trial.variant_id]) for trial in (shorter, longer))
    return shared_steps(each, other, _STEPS_PER_EPOCH, 1) / _STEPS_PER_EPOCH
