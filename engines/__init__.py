"""Real Beam engines on this machine's loopback: Flink and Spark, as tests and benchmarks need them.

The Java side comes from Maven, by a small `pom.xml` an engine. Nothing outlives the process that
started it.
"""
