"""Models in, text out: allowlists per proxy or firewall, agent configuration."""
