"""The journal: all that a flow process writes to the store goes through here, in order."""
