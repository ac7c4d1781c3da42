"""Every method x split x seed: what is asked for, run, and kept."""
