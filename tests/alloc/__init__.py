"""Nothing is allocated after set-up: proof.py says how that is shown, world.py on what."""
