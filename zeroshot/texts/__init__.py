"""Class texts: sentences, text models, and the vectors that methods read."""
