"""Trains stacks in other processes, here or on other machines, through Dask."""
