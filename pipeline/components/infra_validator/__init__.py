"""InfraValidator: queries the exported model as clients do, before it is pushed."""
