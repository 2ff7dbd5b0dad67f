"""A use case as a pipeline of Kubeflow: one task a step, each a call of `faultline step`."""
