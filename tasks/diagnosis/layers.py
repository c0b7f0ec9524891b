"""Diagnoses of the layers: gradients, dead units, initial weights, inputs."""

from __future__ import annotations

import numpy as np

from tasks.diagnosis.case import Case, History
from tasks.diagnosis.measures import confidence, first, last, median, middle, said, share, worst_layer
from tasks.records.diagnosis import Diagnosis

EXPLODES = 100.0
"""Norm above which the loss's gradient explodes, for targets of about unit size; healthy gradients begin near 1."""
VANISHES = 1e-3
"""Gradient norm over weight norm in the first layer, as a share of that in the output layer: below this it vanishes."""
DEAD = 0.5
"""Share of dead units of a layer."""
SHRUNK = 3e-3
"""Standard deviation of a hidden layer's values before training, below which its rows all look alike."""
SWOLLEN = 10.0
"""Standard deviation of the output, above which the network begins with strong, wrong answers."""
SATURATED = 0.5
"""Share of saturated values before training."""
UNSCALED = 10.0
"""Largest root mean square of an input; scaled ones have 1."""


def exploding_gradients(case: Case) -> Diagnosis | None:
    begins = median(case, lambda history: first(history.of("grad_norm")))
    peak = median(case, lambda history: float(np.max(history.of("grad_norm"), initial=0)))
    if not (begins > EXPLODES or peak > 10 * EXPLODES):
        return None
    layer, _ = worst_layer(case, lambda history, layer: float(np.max(history.of("grad_norm", layer), initial=0)))
    figure = max(begins, peak / 10)
    return Diagnosis(
        kind="exploding_gradients",
        confidence=confidence(figure, EXPLODES, 1.0),
        figure=peak,
        evidence={"largest_grad_norm": peak, "first_grad_norm": begins},
        seen=f"The gradient's norm was {said(begins)} before the first step and {said(peak)} at its largest.",
        why=f"Each layer passes a larger signal on than it gets, and the products grow with depth; {layer} has the "
        "largest gradient.",
        remedy="Clip the gradient's norm (train.clip), use he or glorot initialisation, or normalise between layers.",
        layer=layer,
    )


def _ends(history: History) -> tuple[str, str] | None:
    """The first layer and the output, of a network with layers between."""
    weighted = [layer for layer in history.layers if len(history.of("grad_norm", layer))]
    return (weighted[0], weighted[-1]) if len(weighted) > 2 else None


def _passed(history: History, looks: int = 3) -> float:
    """The share of the output layer's gradient that reaches the first layer, each relative to the layer's weights. Both
    are medians over the first few looks; the very first look is before training."""
    ends = _ends(history)
    if ends is None:
        return np.nan
    near, far = (middle(history.ratio("grad_norm", "weight_norm", end)[:looks]) for end in ends)
    return near / far if far > 0 else np.nan


def vanishing_gradients(case: Case) -> Diagnosis | None:
    passed = median(case, _passed)
    if not passed < VANISHES:
        return None
    layer = next(ends[0] for ends in map(_ends, case.histories) if ends)
    depth = len(case.histories[0].layers)
    before = median(case, lambda history: _passed(history, looks=1))
    from_the_start = not before >= VANISHES
    return Diagnosis(
        kind="vanishing_gradients",
        confidence=confidence(VANISHES / max(passed, 1e-12), 1.0),
        figure=passed,
        evidence={"passed_gradient": passed, "passed_gradient_before": before, "layers": float(depth)},
        seen=f"{share(passed)} of the output layer's gradient reaches {layer}, relative to their weights, "
        + ("from the start on." if from_the_start else f"after the first steps; before them it was {share(before)}."),
        why=f"On the way back through {depth} layers each one makes the gradient smaller, so the first layers hardly "
        "learn."
        if from_the_start
        else f"The first steps moved the weights to where each of {depth} layers passes little of the gradient on, "
        "saturated or dead.",
        remedy="Use relu with he initialisation, batch normalisation, or fewer layers."
        if from_the_start
        else "Lower the learning rate, or warm it up; batch normalisation helps too.",
        layer=layer,
    )


def dying_relu(case: Case) -> Diagnosis | None:
    layer, dead = worst_layer(case, lambda history, layer: last(history.of("dead_units", layer)))
    if layer is None or not dead > DEAD:
        return None
    began = median(case, lambda history: first(history.of("dead_units", layer)))
    return Diagnosis(
        kind="dying_relu",
        confidence=confidence(dead, DEAD, 4.0),
        figure=dead,
        evidence={"dead_units": dead, "dead_units_before": began},
        seen=f"In {layer}, {share(dead)} of the ReLU units give 0 for every row looked at (before training "
        f"{share(began)}).",
        why="Where a unit's input is below 0 for every row, its gradient is 0 too, so it never comes back.",
        remedy="Lower the learning rate, use leaky_relu or elu, or scale the inputs.",
        layer=layer,
    )


def poor_initialisation(case: Case) -> Diagnosis | None:
    """Before the first step the layers give nearly the same for every row, saturated values, or far too large ones."""
    hidden, still = worst_layer(case, _stillness)
    output = median(case, lambda history: first(history.of("activation_std", "output")))
    place, saturated = worst_layer(case, lambda history, layer: first(history.of("saturation", layer)))
    evidence = {
        name: value
        for name, value in {"first_output_std": output, "first_saturation": saturated}.items()
        if np.isfinite(value)
    }
    if still > 1 / SHRUNK:
        small = 1 / still
        figure, ratio, layer = small, SHRUNK / max(small, 1e-12), hidden
        evidence = {"first_activation_std": small, **evidence}
        seen = f"Before training the values of {hidden} have a standard deviation of {said(small)}."
        why = "So small or equal initial weights give every row the same answer, and every unit the same gradient."
    elif output > SWOLLEN:
        figure, ratio, layer = output, output / SWOLLEN, "output"
        seen = f"Before training the outputs have a standard deviation of {said(output)}, where about 1 is usual."
        why = "With so large initial weights the network begins with strong, wrong answers that it must first unlearn."
    elif saturated > SATURATED:
        figure, ratio, layer = saturated, saturated / SATURATED, place
        evidence = {"first_saturation": saturated, **evidence}
        seen = f"Before training {share(saturated)} of the values of {place} are at the ends of their range."
        why = "With so large initial weights the activation function is flat where its inputs lie, its gradient near 0."
    else:
        return None
    return Diagnosis(
        kind="poor_initialisation",
        confidence=confidence(ratio, 1.0),
        figure=figure,
        evidence=evidence,
        seen=seen,
        why=why,
        remedy="Use he initialisation with relu, and glorot with tanh and sigmoid (model.initialisation).",
        layer=layer,
        step=0,
    )


def _stillness(history: History, layer: str) -> float:
    """How small a hidden layer's values are before training: 1 over their standard deviation. NaN for the output layer,
    and for a layer most of whose units are dead by then."""
    began = first(history.of("activation_std", layer))
    if layer == "output" or not np.isfinite(began) or first(history.of("dead_units", layer)) > DEAD:
        return np.nan
    return 1 / max(began, 1e-12)


def unscaled_inputs(case: Case) -> Diagnosis | None:
    largest = median(case, lambda history: first(history.of("input_rms")))
    if case.facts.scale != "none" or not largest > UNSCALED:
        return None
    return Diagnosis(
        kind="unscaled_inputs",
        confidence=confidence(largest, UNSCALED, 1.0),
        figure=largest,
        evidence={"input_rms": largest},
        seen=f"An input has a root mean square of {said(largest)}; scaled inputs have 1.",
        why="The gradient of a weight is as large as the input behind it, so no learning rate suits all weights.",
        remedy="Leave out scale: none: inputs are then standardised by the training rows.",
    )
