"""Operation after the push: gateway, collection, rollout, monitoring, retraining."""
