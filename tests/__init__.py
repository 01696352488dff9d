"""The tests, a folder for each tier (conftest.py). portable.py runs those for all interpreters."""
