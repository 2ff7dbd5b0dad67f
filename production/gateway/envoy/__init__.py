"""Envoy's configuration, as plain values: routes, clusters, listeners."""
