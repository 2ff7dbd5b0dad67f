"""Data under DVC: which revision a run read, and earlier revisions brought back."""
