"""The gateway: Envoy in front of the stable and the candidate server of one model."""
