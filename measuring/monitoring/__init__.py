"""Formulas of monitoring, on arrays.

A chunk of production's requests is compared with the training data (`two_sample`, `joint`; blocks
of dependent rows: `dependence`). The p-values raise alarms within a budget (`alarms`), and `power`
says what a chunk can show. Without labels, `estimated` says how well the model works, at the
prevalence of `priors`; with labels, `labelled` compares cost and recall with what was promised.
"""
