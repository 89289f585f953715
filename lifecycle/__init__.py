"""Infrastructure and secrets lifecycle for companies that run DataRobot."""

__version__ = "0.1.0"
