"""Numbers, names and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tasks.evaluation.rounding import MINUS


def number(value: float) -> str:
    """Formats a loss, a length or a threshold with three significant digits (0.812, 12.3), all digits from 1,000 on,
    and no exponent down to a billionth. Metrics are written by `rounding`, in sentences as in tables.

    >>> number(50123.4), number(0.81234), number(-0.0), number(0.00000123), number(-0.5)
    ('50,123', '0.812', '0', '0.00000123', '\N{MINUS SIGN}0.5')
    """
    value = value + 0.0  # -0.0 is 0
    said = f"{abs(value):,.0f}" if abs(value) >= 1000 else written(float(f"{abs(value):.3g}"))
    return f"{MINUS}{said}" if value < 0 else said


def between(low: float, high: float) -> str:
    """An interval without an estimate: `[0.701, 0.829]`.

    >>> between(0.7012, 0.829)
    '[0.701, 0.829]'
    """
    return f"[{number(low)}, {number(high)}]"


def rows(count: int) -> str:
    """A number of rows with its noun.

    >>> rows(1), rows(1234)
    ('1 row', '1,234 rows')
    """
    return f"{count:,} row{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """A share in percent, with two significant digits.

    >>> percent(0.0123), percent(1.27), percent(0.0000042)
    ('1.2%', '127%', '0.00042%')
    """
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{written(float(f'{100 * share:.2g}'))}%"


def written(value: float) -> str:
    """Formats a number as a person writes it: `0.000001`, not `1e-06`. Below a billionth it keeps the exponent, which
    is easier to read.

    >>> written(1e-6), written(0.25), written(3.0), written(1e-12)
    ('0.000001', '0.25', '3', '1e-12')
    """
    text = f"{value:.15g}"
    return f"{Decimal(text):f}" if "e-" in text and abs(value) >= 1e-9 else text


def inside(title: str) -> str:
    """A title inside a sentence: `Accuracy` loses its capital, `RMSE` and `ROC AUC` do not.

    >>> inside("Accuracy"), inside("RMSE")
    ('accuracy', 'RMSE')
    """
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def opening(phrase: str) -> str:
    """A phrase at the start of a sentence: its first letter becomes a capital, the rest stays.

    >>> opening("it passes"), opening("TF-IDF")
    ('It passes', 'TF-IDF')
    """
    return phrase[:1].upper() + phrase[1:]


def listing(names: Sequence[str], most: int = 3, last: str = "and") -> str:
    """Joins names: `a, b and c`. Of more than `most` names it gives the first ones, and how many are left.

    >>> listing(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
