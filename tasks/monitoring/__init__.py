"""Compares new rows with the reference of a champion: have the data changed, and is the model still good?"""
