"""What of a stack is compiled into its program."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.training.hyperparameters import Rule
from tasks.training.networks import Shapes


@dataclass(frozen=True)
class Structure:
    """What is compiled in: stacks that agree in it run one program.

    Args:
        layers: The network, as `stacked_networks.describe` puts it.
        classes: None for regression.
        replicas, recipes: The stack's rectangle.
        folds: How many replicas that follow each other are of one seed, and so share random numbers.
        inputs: Names of the hyperparameters that are there; one that no trial uses is left out of the program.
        averages: Whether steps make an average of some trial's weights.
        accumulation: Steps whose gradients make one update.
        narrow_shapes: Where hidden layers are padded, and some rule searches or gradients get noise: of each recipe,
            `trainable_shapes` of its own network, for which its directions are drawn. Else empty: widths are inputs.
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
        """The same in every process: the rules stand in it by the names of their updates."""
        rules = [(rule.update.__qualname__, rule.names, rule.start, rule.stop) for rule in self.rules]
        return repr((replace(self, rules=()), rules))
