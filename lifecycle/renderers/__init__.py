"""Models in, text out: allowlists per proxy or firewall, agent configuration."""

from lifecycle.renderers.allowlists import TARGETS, render_allowlist
from lifecycle.renderers.mlops_agent_config import render_agent_config

__all__ = ["TARGETS", "render_agent_config", "render_allowlist"]
