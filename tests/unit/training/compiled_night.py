"""`python -m tests.unit.training.compiled_night HOME [--probed]`: a run's way with compiled programs, by itself.

Trains two stacks of different rules side by side under XLA, as a run does, and prints as JSON: a digest of all that
came out, the seconds of processor time, and how many programs lie there now.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows.environment import load_tensorflow, quieten
from tasks.training.compilations import FOLDER, compiled_anew, keep_compiled
from tests.small_trials import arrays_of, trial_of


def main(home: Path, *, probed: bool) -> None:
    quieten()
    load_tensorflow(home)
    from tasks.training.stack import train_stack

    arrays = arrays_of()
    stacks = [[trial_of(name, seed=seed, epochs=2) for seed in (0, 1)] for name in ("adam", "momentum")]
    started = time.process_time()
    if probed:
        with compiled_anew():
            outcomes = [train_stack(stacks[0], arrays)]
    else:
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(lambda trials: train_stack(trials, arrays), stacks))
    seconds = time.process_time() - started
    keep_compiled()
    digest = hashlib.sha256()
    for outcome in [outcome for stack in outcomes for outcome in stack]:
        digest.update(repr([outcome.curves, outcome.steps, outcome.best_step]).encode())
        for array in [*(outcome.weights or []), *outcome.outputs.values()]:
            digest.update(array.tobytes())
    programs = sum(path.is_file() for path in (home / "cache" / FOLDER).glob("*/[!.]*"))
    print(json.dumps({"digest": digest.hexdigest(), "seconds": seconds, "programs": programs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), probed="--probed" in sys.argv)
