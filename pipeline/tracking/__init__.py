"""Export of runs to TensorBoard and optionally MLflow. ML Metadata remains authoritative."""
