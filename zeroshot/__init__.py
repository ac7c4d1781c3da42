"""From features and class texts to a zero-shot score: splits, texts, methods, trials, tables."""
