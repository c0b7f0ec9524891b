"""New rows against the reference of a champion: have the data changed, and does the model still hold?"""
