"""What this build leaves out: nothing. `make firmware WITHOUT=...` has another one of these."""
