"""What a config says of production: gateway, rollouts, collection, automation, monitoring."""
