"""A run whose steps are processes of their own, on one output folder and one metadata store.

`begin` compiles the pipeline into the run's folder, each step launches its node from there, and
`end` writes the summary. Kubeflow starts each of them in a container.
"""
