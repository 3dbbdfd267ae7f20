"""HTTP/1.1 to providers: a pool of connections, as thin as asyncio and httptools allow."""
