"""Numbers, names and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float) -> str:
    """Three significant digits, without an exponent where a reader would stumble: 0.812, 12.3, 50,100.

    >>> number(50123.4), number(0.81234), number(-0.0)
    ('50,123', '0.812', '0')
    """
    value = value + 0.0  # -0.0 is 0
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def inside(title: str) -> str:
    """A title inside a sentence: `Accuracy` is small there, `RMSE` and `ROC AUC` are not.

    >>> inside("Accuracy"), inside("RMSE")
    ('accuracy', 'RMSE')
    """
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def listing(names: Sequence[str], most: int = 3, last: str = "and") -> str:
    """`a, b and c`; of more than `most` names the first ones, and how many are left.

    >>> listing(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
