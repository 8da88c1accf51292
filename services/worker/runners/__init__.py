"""How the processes of runs are made: one file for each type of work pool, behind one interface."""
