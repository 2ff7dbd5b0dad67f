"""The DAG: configuration, components, wiring, provenance and lineage."""
