"""Preprocessing as Keras layers, learned from the training part and saved inside the model."""
