"""Data sets that are generated, the same at every call: no file, no network."""

from __future__ import annotations

import numpy as np
import pandas as pd

SPACES = 20_000
FREE = 200
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parking() -> pd.DataFrame:
    """Generates `SPACES` looks at a parking space: hour, day, place, weather, price, and whether it was free.

    Exactly `FREE` spaces are free: those with the highest score, which is random noise plus what favours a free space
    (night, weekend, far from the centre, expensive, rain, no event nearby). Always predicting "taken" is right in 99%
    of rows.
    """
    rng = np.random.default_rng(13)
    hour, weekday = rng.integers(0, 24, SPACES), rng.integers(0, 7, SPACES)
    distance, price = rng.gamma(2.0, 600.0, SPACES).round(), rng.choice([0.0, 1.0, 2.0, 3.5], SPACES)
    rain, event = rng.random(SPACES) < 0.2, rng.random(SPACES) < 0.1
    night, weekend = (hour < 6) | (hour > 21), weekday > 4
    speaks = 2.0 * night + 1.0 * weekend + distance / 800 + 0.7 * price + 0.5 * rain - 2.0 * event
    chance = speaks + rng.logistic(size=SPACES)
    free = np.zeros(SPACES, bool)
    free[np.argsort(-chance, kind="stable")[:FREE]] = True
    return pd.DataFrame(
        {
            "hour": hour.astype(np.float64),
            "weekday": pd.Series([DAYS[day] for day in weekday], dtype=object),
            "metres_to_centre": distance,
            "euros_an_hour": price,
            "rain": rain.astype(np.float64),
            "event_nearby": event.astype(np.float64),
            "space": pd.Series(["free" if each else "taken" for each in free], dtype=object),
        }
    )
