"""Retraining: new labelled data become a model that takes over from the served one."""
