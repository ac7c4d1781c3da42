"""Zero-shot recognition: splits, class texts, the paper's methods, evaluation, tables, figures."""
