"""The part of a stack that is compiled into its program."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.training.hyperparameters import Rule
from tasks.training.networks import Shapes


@dataclass(frozen=True)
class Structure:
    """All that is compiled into a program: stacks with equal structure run one program.

    Args:
        layers: The network, as `stacked_networks.describe` puts it.
        classes: None for regression.
        replicas, recipes: The stack's rectangle.
        folds: How many consecutive replicas share a seed, and so random numbers.
        inputs: Names of the hyperparameters that the program takes; one that no trial uses is left out.
        averages: Whether steps update an average of some trial's weights.
        accumulation: Steps whose gradients make one update.
        narrow_shapes: For each recipe, `trainable_shapes` of its own network, in which its random directions are drawn.
            Only where hidden layers are padded, and some rule searches or gradients get noise; else empty, since
            widths are inputs.
    """

    layers: str
    classes: int | None
    replicas: int
    folds: int
    recipes: int
    rules: tuple[Rule, ...]
    inputs: tuple[str, ...]
    batch_size: int
    xla: bool
    dtype: str
    averages: bool = False
    accumulation: int = 1
    narrow_shapes: tuple[Shapes, ...] = ()

    @property
    def name(self) -> str:
        """A name that is the same in every process. It has the rules by the names of their updates."""
        rules = [(rule.update.__qualname__, rule.names, rule.start, rule.stop) for rule in self.rules]
        return repr((replace(self, rules=()), rules))
