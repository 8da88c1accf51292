"""Results: how they are kept, under which key they are found again, and where."""
