"""What follows the push: gateway, collection, rollout, monitoring, retraining."""
