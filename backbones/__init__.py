"""Visual feature extractors: ST-GCN and Shift-GCN, their pretraining, and the features file."""
