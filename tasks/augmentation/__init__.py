"""Augmentation of the training part: images, texts, sound, tables.

`augmenter.py` says what an augmenter is; `table.py` lists all of them by name.
"""
