"""Stacks that are trained by other processes, here or on other machines, through Dask."""
