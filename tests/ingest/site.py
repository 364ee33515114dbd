"""A real web site on this machine, whose pages a test decides, and a source that may read it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """`pages` maps a path to what answers there; every request's path and headers are kept."""

    port: int
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    def sitemap(self, *paths: str) -> None:
        """Answer `/sitemap.xml` with these; a path that begins with `http` stays as it is."""
        entries = "".join(f"<url><loc>{p if p.startswith('http') else self.url + p}</loc></url>" for p in paths)
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        self.pages["/sitemap.xml"] = page(f'<urlset xmlns="{space}">{entries}</urlset>', "application/xml")


def page(body: str | bytes, kind: str = "text/html", status: int = 200, **headers: str) -> Answer:
    """An ordinary answer; `Content_Encoding="gzip"` becomes a header."""
    data = body.encode() if isinstance(body, str) else body

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(data)

    return answer


def leads_to(url: str, status: int = 302) -> Answer:
    """A redirect."""
    return page("", status=status, Location=url)


@contextmanager
def site() -> Iterator[Site]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.asked.append((self.path, dict(self.headers)))
            shown.pages.get(self.path, page("nothing here", status=404))(self)

        def log_message(self, *_: Any) -> None:
            """Stays quiet."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # the other side has cut the connection

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shown = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
