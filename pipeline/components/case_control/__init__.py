"""CaseControl: all positives of the train split, and some of its negatives."""
