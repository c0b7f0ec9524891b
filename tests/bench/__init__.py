"""The benchmark: compares this project's stacked trainer with common tools for the same work, on one machine.

    make bench                                                # everything; at most 30 minutes on two cores
    python -m tests.bench --workload W3 --peer fit,jax --rounds 1 --small
    python -m tests.bench --workload S1,S2                    # searches, where BAKEOFF_DATA leads to the data sets
    python -m tests.bench --profile W2                        # where the project's time goes
    python -m tests.bench --growth                            # 1, 8, 32, 128, 512 recipes
    python -m tests.bench.search                              # search methods, without training anything

The measured time goes from data in memory to trained weights: building and compiling, every training step, validation
after every epoch with its metric, and early stopping. Early stopping is on everywhere with a patience that never runs
out, so that all do equal work; the bench asserts that they did. Each measurement has a process of its own, since
TensorFlow and JAX disturb each other in one process. Interpreter start, imports and loading the data are not counted.

Peers that take minutes train a sample of the recipes for the first epochs. Their time is scaled up: missing epochs
count as much as the last one measured, missing recipes as much as the mean one. A sampled peer may warm up before its
clock starts, so that a process's one-time costs are not scaled up too.
"""
