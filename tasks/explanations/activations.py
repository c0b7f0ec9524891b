"""Explains the effect of depth, activation and initialisation on the signal: kept, vanished, dead or saturated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.diagnosis.case import History
from tasks.diagnosis.measures import first, last
from tasks.evaluation.wording import listing, number, percent, written
from tasks.explanations.explanation import Axis, Check, Explanation, Line, Misfit, Picture, Results
from tasks.records.plan import Recipe

THEORY = r"""
A unit sums what the layer before gives: $z_i = \sum_j w_{ij} h_j$, and passes on $h_i = f(z_i)$. Before training the
weights are random, with mean 0 and variance $\sigma_w^2$. So with $n$ units in each layer the variance $q_l$ of the
sums in layer $l$, over units and rows, follows from the mean square $\mathrm{E}[h^2]$ of what the layer before gives:

$$ q_l = n \, \sigma_w^2 \; \mathrm{E}[h_{l-1}^2] $$

**ReLU** sets half of the sums to 0, so $\mathrm{E}[h^2] = q/2$, and each layer multiplies the variance by one factor:

$$ \frac{q_{l+1}}{q_l} = \frac{n \, \sigma_w^2}{2} $$

He et al. (2015) chose $\sigma_w^2 = 2/n$, which makes this factor 1. Glorot and Bengio (2010) chose $1/n$ for layers
of equal width: with ReLU, half of the variance is lost at each layer. A normal distribution with deviation 0.05 knows
nothing of $n$: its factor is $0.00125\,n$, which is 0.08 for 64 units. Leaky ReLU lets a fifth of the other half
through, so with He's choice its factor is $1 + 0.2^2 = 1.04$.

**tanh** is about the identity near 0, so for small sums the factor is $n \sigma_w^2$ and Glorot's choice suits it.
Large sums it flattens, which makes the factor less than 1. For any $f$ the variance follows from layer to layer
(Poole et al. 2016), with $Z$ standard normal:

$$ q_{l+1} = n \, \sigma_w^2 \; \mathrm{E}\big[f(\sqrt{q_l}\, Z)^2\big] $$

**Vanishing.** The gradient comes back through the same weights, times $f'$: with $g_l$ for the variance of the loss's
gradient by the sums of layer $l$ (Schoenholz et al. 2017),

$$ \frac{g_{l-1}}{g_l} = n \, \sigma_w^2 \; \mathrm{E}\big[f'(\sqrt{q}\, Z)^2\big] $$

which for ReLU is the factor of the way there. So what shrinks the signal shrinks the gradient, about as much at each
layer. The gradient of a weight is the product of the two, the signal from below and the gradient from above: where
both are lost it is small in every layer. All rows then get the same answer, and a learning rate that is large enough
for these layers is far too large for the last one.

**Dying.** A ReLU unit whose sum is below 0 for every row gives 0, and its gradient is 0 too: it never comes back. One
step that is too large can move its weights so far. tanh has no dead side, but large sums lie where it is flat: it
saturates, and $f'$ is near 0 there.

**Cures.** An initialisation that suits the activation keeps the signal. Batch normalisation brings the sums of each
batch back to mean 0 and variance 1, whatever the weights are: some rows lie on either side of 0 after any step. A
lower rate makes smaller steps. Leaky ReLU has no side without a gradient, but it does not make large steps small.
"""

FEWEST = 3
"""Fewest hidden layers of a network."""
TOLERANCE = 0.15
"""Relative difference from theory that a factor may have: in layers of finite width it varies by chance."""
VANISHED = 1e-3
"""Ratio of the last hidden layer's variance to the first one's below which, by theory, nothing is learned."""
MANY = 0.2
"""Share of dead units or saturated values from which the page mentions them."""
LEARNED, NOTHING = 0.6, 0.9
"""Bounds of the final validation loss, divided by that of the best constant answer: a network learned if at most the
first, learned nothing if at least the second."""

Function = Callable[[np.ndarray], np.ndarray]

FUNCTIONS: Mapping[str, Function] = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.2 * z),  # Keras's slope
    "tanh": np.tanh,
    "sigmoid": lambda z: (1 + np.tanh(z / 2)) / 2,
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "linear": lambda z: z,
}

VARIANCES: Mapping[str, Callable[[int], float]] = {
    "he_normal": lambda units: 2 / units,
    "he_uniform": lambda units: 2 / units,
    "glorot_normal": lambda units: 1 / units,
    "glorot_uniform": lambda units: 1 / units,
    "random_normal": lambda units: 0.05**2,
}
"""Variance of the weights between two layers of the same number of units."""


@dataclass(frozen=True)
class Network:
    """One kind of network before training, with the recipes that train it.

    Args:
        hidden: Units of each hidden layer, all equal.
        recipes: Learning rate to recipe, in rising order.
    """

    activation: str
    initialisation: str
    normalised: bool
    hidden: tuple[int, ...]
    recipes: dict[float, Recipe] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.activation}, {self.initialisation}" + (", batch normalisation" if self.normalised else "")

    @property
    def gain(self) -> float:
        """Number of units times the variance of the weights."""
        return self.hidden[0] * VARIANCES[self.initialisation](self.hidden[0])


def networks(recipes: Sequence[Recipe]) -> list[Network]:
    """The networks of the recipes whose theory is known: fully connected, with at least `FEWEST` hidden layers of one
    width."""
    found: dict[tuple[object, ...], Network] = {}
    for recipe in recipes:
        kind, model = recipe.settings.model
        hidden = tuple(model.get("hidden", ()))
        if kind != "mlp" or len(hidden) < FEWEST or len(set(hidden)) > 1 or model["activation"] not in FUNCTIONS:
            continue
        key = (model["activation"], model["initialisation"], bool(model.get("batch_normalisation")), hidden)
        found.setdefault(key, Network(*key)).recipes.setdefault(recipe.settings.learning_rate, recipe)
    return [
        Network(each.activation, each.initialisation, each.normalised, each.hidden, dict(sorted(each.recipes.items())))
        for each in found.values()
    ]


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where there are at least two different networks of known theory."""
    found = len(networks(recipes))
    if found >= 2:
        return None
    return Misfit(
        got=f"{found} of them",
        accepted=f"two or more mlp of at least {FEWEST} hidden layers of one width, that differ in activation, "
        "initialisation or batch normalisation",
        remedy="list them in compare.model",
    )


def variances(function: Function, gain: float, at_first: float, layers: int) -> np.ndarray:
    """The variance of each hidden layer's values before training, by the theory of wide layers.

    Args:
        gain: Number of units times the variance of the weights.
        at_first: Measured variance in the first hidden layer, where the recursion starts.
        layers: Number of hidden layers.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    weights = weights / weights.sum()

    def moments(q: float) -> tuple[float, float]:
        values = function(np.sqrt(q) * nodes)
        square = float(weights @ values**2)
        return square - float(weights @ values) ** 2, square

    low, high = -60.0, 20.0  # bounds of log q for the bisection of the first layer's q
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if moments(float(np.exp(middle)))[0] < at_first else (low, middle)
    q, found = float(np.exp(low)), []
    for _ in range(layers):
        variance, square = moments(q)
        found.append(variance)
        q = gain * square
    return np.array(found)


@dataclass(frozen=True)
class _Seen:
    """Measurements of one network: geometric means and medians over seeds.

    Args:
        variance: Variance of each hidden layer's values before training.
        gradient: Norm of the gradient of each hidden layer's weights before training, relative to the weights.
        by_rate: Learning rate to the histories of its trainings.
    """

    network: Network
    variance: np.ndarray
    gradient: np.ndarray
    by_rate: Mapping[float, Sequence[History]]

    @classmethod
    def of(cls, network: Network, results: Results) -> _Seen:
        by_rate = {rate: results.histories(recipe) for rate, recipe in network.recipes.items()}
        seeds = next(iter(by_rate.values()))
        layers = [f"dense_{number}" for number in range(1, len(network.hidden) + 1)]

        def before(signal: Callable[[History, str], float]) -> np.ndarray:
            values = np.array([[signal(each, layer) for layer in layers] for each in seeds])
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.exp(np.log(values).mean(axis=0))

        return cls(
            network,
            variance=before(lambda each, layer: first(each.of("activation_std", layer)) ** 2),
            gradient=before(lambda each, layer: first(each.ratio("grad_norm", "weight_norm", layer))),
            by_rate=by_rate,
        )

    @property
    def theory(self) -> np.ndarray:
        if not np.isfinite(self.variance[0]):
            return np.full(len(self.variance), np.nan)
        function = FUNCTIONS[self.network.activation]
        return variances(function, self.network.gain, float(self.variance[0]), len(self.variance))

    def loss(self, rate: float) -> float:
        """Median validation loss at the end; infinite where most seeds diverged."""
        losses = [last(each.of("val_loss")) if each.status == "ok" else np.inf for each in self.by_rate[rate]]
        return float(np.median(losses)) if losses else np.nan

    def at_end(self, rate: float, name: str) -> float:
        """Final value of a signal: mean over the layers that have it, median over the seeds that ended."""
        found = []
        for each in self.by_rate[rate]:
            values = [last(each.of(name, layer)) for layer in each.layers if len(each.of(name, layer))]
            if values and each.status == "ok":
                found.append(float(np.mean(values)))
        return float(np.median(found)) if found else np.nan


def explain(results: Results) -> Explanation:
    """Explains all networks whose theory is known."""
    seen = [_Seen.of(each, results) for each in networks(results.plan.recipes)]
    nothing = _nothing_learned(results)
    return Explanation(
        seen=[*_of_signals(seen), *_of_training(seen, nothing)],
        pictures=[_signals(seen), _gradients(seen), *_ends(seen), _losses(seen)],
        checks=[*_factors(seen), *_vanished(seen, nothing), *_broken(seen, nothing)],
    )


def _nothing_learned(results: Results) -> float:
    """The validation loss of an answer without knowledge: in classification the logarithm of the number of classes,
    else 1."""
    classes = results.plan.data.classes
    return float(np.log(len(classes))) if classes else 1.0


def _geometric(values: np.ndarray) -> float:
    """The mean factor from one layer to the next (geometric mean)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((values[-1] / values[0]) ** (1 / (len(values) - 1)))


def _factors(seen: Sequence[_Seen]) -> list[Check]:
    checks = []
    for each in seen:
        if not each.network.normalised:
            theory = _geometric(each.theory)
            checks.append(
                Check(
                    claim=f"{each.network.name}: factor of the variance from layer to layer before training.",
                    measured=_geometric(each.variance),
                    theory=theory,
                    low=(1 - TOLERANCE) * theory,
                    high=(1 + TOLERANCE) * theory,
                )
            )
    return checks


def _vanishes(each: _Seen) -> bool:
    theory = each.theory
    return not each.network.normalised and bool(theory[-1] < VANISHED * theory[0])


def _best_loss(each: _Seen) -> float:
    return min((each.loss(rate) for rate in each.by_rate), default=np.nan)


def _vanished(seen: Sequence[_Seen], nothing: float) -> list[Check]:
    """Checks that networks without a signal learn nothing at any rate, and that the best other one of the same
    activation learns."""
    checks = []
    for each in filter(_vanishes, seen):
        checks.append(
            Check(
                claim=f"{each.network.name}: no rate trains it. Its lowest validation loss over that of an answer that "
                "knows nothing.",
                measured=_best_loss(each) / nothing,
                theory=1.0,
                low=NOTHING,
            )
        )
        others = [
            other
            for other in seen
            if other.network.activation == each.network.activation
            and not (other.network.normalised or _vanishes(other))
        ]
        if others:
            cure = min(others, key=_best_loss)
            checks.append(
                Check(
                    claim=f"{cure.network.name} keeps the signal and learns: its lowest loss, divided by the same.",
                    measured=_best_loss(cure) / nothing,
                    high=LEARNED,
                )
            )
    return checks


def _broken(seen: Sequence[_Seen], nothing: float) -> list[Check]:
    """Checks that a high rate kills ReLU units and saturates tanh, and that networks with batch normalisation learn at
    it."""
    checks = []
    for activation, name, words in (("relu", "dead_units", "dead units"), ("tanh", "saturation", "saturated values")):
        of_it = [each for each in seen if each.network.activation == activation and not each.network.normalised]
        able = [each for each in of_it if len(each.by_rate) > 1 and not _vanishes(each)]
        if not able:
            continue
        each = max(able, key=lambda one: float(one.theory[-1]))
        low, high = min(each.by_rate), max(each.by_rate)
        checks.append(
            Check(
                claim=f"{each.network.name}: share of {words} at the end, at rate {written(high)} less that at "
                f"{written(low)}.",
                measured=each.at_end(high, name) - each.at_end(low, name),
                low=MANY,
            )
        )
        checks += [
            Check(
                claim=f"{other.network.name} learns at rate {written(high)} all the same: validation loss over that of "
                "an answer that knows nothing.",
                measured=other.loss(high) / nothing,
                high=LEARNED,
            )
            for other in seen
            if other.network.normalised and other.network.activation == activation and high in other.by_rate
        ]
    return checks


def _of_signals(seen: Sequence[_Seen]) -> list[str]:
    """Says which networks keep the signal, and which lose it."""
    shares = {each.network.name: each.variance[-1] / each.variance[0] for each in seen if not each.network.normalised}

    def told(low: float, high: float, words: str) -> list[str]:
        within = {name: share for name, share in shares.items() if low <= share < high}
        found = [f"{name} ({percent(share)} of its variance left)" for name, share in within.items()]
        return [f"Before training the signal {words}: {listing(found, most=9)}."] if found else []

    return [
        *told(0.1, np.inf, "reaches the last hidden layer"),
        *told(VANISHED, 0.1, "becomes small on the way"),
        *told(0.0, VANISHED, "is lost on the way"),
    ]


def _of_training(seen: Sequence[_Seen], nothing: float) -> list[str]:
    said = []
    for each in seen:
        told = [f"at {written(rate)} {_outcome(each, rate, nothing)}" for rate in each.by_rate]
        said.append(f"{each.network.name}: {', '.join(told)}.")
    return said


def _outcome(each: _Seen, rate: float, nothing: float) -> str:
    """`a loss of 0.3`; `nothing learned (65% of its units dead)`."""
    loss, dead, saturated = each.loss(rate), each.at_end(rate, "dead_units"), each.at_end(rate, "saturation")
    if not np.isfinite(loss):
        return "it diverged"
    broken = f" ({percent(dead)} of its units dead)" if dead >= MANY else ""
    broken += f" ({percent(saturated)} of its values saturated)" if saturated >= MANY else ""
    return ("nothing was learned" if loss > NOTHING * nothing else f"a loss of {number(loss)}") + broken


def _by_layer(seen: Sequence[_Seen], values: Callable[[_Seen], np.ndarray]) -> list[Line]:
    return [
        Line(each.network.name, np.arange(1, len(values(each)) + 1), values(each))
        for each in seen
        if not each.network.normalised
    ]


def _signals(seen: Sequence[_Seen]) -> Picture:
    theory = [Line("theory", line.x, line.y, "theory") for line in _by_layer(seen, lambda each: each.theory)]
    return Picture(
        title="The signal, layer by layer, before training",
        caption="Variance of what each hidden layer gives, over its units and 256 rows, geometric mean over seeds. "
        "Dashed: what theory makes of the first layer's.",
        x=Axis("Hidden layer"),
        y=Axis("Variance", log=True),
        lines=[*_by_layer(seen, lambda each: each.variance), *theory],
    )


def _gradients(seen: Sequence[_Seen]) -> Picture:
    return Picture(
        title="The gradient, layer by layer, before training",
        caption="Norm of the gradient of each hidden layer's weights and biases over the norm of the weights, "
        "geometric mean over seeds. Where it is near 0, a step changes nothing.",
        x=Axis("Hidden layer"),
        y=Axis("Gradient over weights", log=True),
        lines=_by_layer(seen, lambda each: each.gradient),
    )


def _ends(seen: Sequence[_Seen]) -> list[Picture]:
    """Draws dead units and saturated values at the end over the rate, where there are several rates."""
    found = []
    for name, title in (("dead_units", "Dead units"), ("saturation", "Saturated values")):
        lines = []
        for each in seen:
            shares = [each.at_end(rate, name) for rate in each.by_rate]
            if len(shares) > 1 and np.isfinite(shares).any():
                lines.append(Line(each.network.name, list(each.by_rate), shares))
                lines.append(Line(each.network.name, list(each.by_rate), shares, "points"))
        if lines:
            found.append(
                Picture(
                    title=f"{title} at the end of training",
                    caption="Share, mean over the hidden layers, median over the seeds that ended.",
                    x=Axis("Learning rate", log=True),
                    y=Axis("Share", low=0.0, high=1.0),
                    lines=lines,
                )
            )
    return found


def _losses(seen: Sequence[_Seen]) -> Picture:
    lines = []
    for each in seen:
        rates = list(each.by_rate)
        losses = [each.loss(rate) for rate in rates]
        lines += [Line(each.network.name, rates, losses), Line(each.network.name, rates, losses, "points")]
    return Picture(
        title="What was learned",
        caption="Validation loss at the end, median over seeds. No point: most seeds diverged.",
        x=Axis("Learning rate", log=True),
        y=Axis("Validation loss", log=True),
        lines=lines,
    )
