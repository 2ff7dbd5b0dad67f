"""Apache Flink: Beam's job server with an embedded or a standalone cluster."""

from engines.flink.cluster import FlinkCluster, flink_cluster
from engines.flink.server import flink_job_server

__all__ = ["FlinkCluster", "flink_cluster", "flink_job_server"]
