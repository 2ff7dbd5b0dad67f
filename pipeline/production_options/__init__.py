"""Options for production: gateway, rollouts, collection, automation, monitoring."""
