"""The version, kept where the build and the running program both find it without importing anything else."""

__version__ = "0.2.0"
