"""A trained model as a thing one can use: name, find and time actions from free text."""
