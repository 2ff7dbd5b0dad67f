"""Apache Spark: Beam's job server with Spark inside it."""

from engines.spark.server import spark_job_server

__all__ = ["spark_job_server"]
