"""Programs that use the running stack from the terminal, over HTTP like any other client."""
