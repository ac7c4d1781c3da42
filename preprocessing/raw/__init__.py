"""What stands in the raw files: NTU RGB+D and PKU-MMD text, the field's pickles."""
