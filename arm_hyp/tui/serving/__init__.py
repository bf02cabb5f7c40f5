"""The terminal in a browser on this machine, through textual-serve, with a page of our own: nothing is from elsewhere.

Read in this order: `gate.py` (who may come in), `app_process.py` (the application behind a connection, or behind many),
`server.py` (pages and connections), then `cli/serve.py`. `page.html` is the page; its script is textual-serve's.
"""
