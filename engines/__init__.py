"""Flink and Spark on this machine's loopback, for tests and benchmarks.

Maven fetches the Java dependencies, with a small `pom.xml` for each engine. No process outlives the
one that started it.
"""
