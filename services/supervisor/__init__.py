"""`upshot up`: starts the store and the services, starts again what dies, takes all along.

1. Binds the API's address, locks the data folder, starts the store (or takes the one named).
2. Checks the store and puts the atomic functions into it.
3. Starts the API, the light services and the workers; tells of each part that is ready.
4. Starts again what ends, with backoff; on SIGTERM stops API, workers, light services, store.
"""

from __future__ import annotations
