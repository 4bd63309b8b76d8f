"""What the peers' workers run: plain modules that import nothing of ours, found over ``PYTHONPATH``."""
