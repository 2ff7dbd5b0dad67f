"""Runs shown elsewhere: TensorBoard and, by config, MLflow. ML Metadata stays the truth."""
