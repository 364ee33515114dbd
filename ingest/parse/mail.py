"""E-mails (EML) and mailboxes (MBOX): headers, text and attachments. Fetches nothing; knows no other format itself."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from email.utils import parsedate_to_datetime

from ingest.document import Document
from ingest.errors import BrokenDocument, ParserLimit, UnreadableDocument
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import decode
from ingest.parse.html import read_html
from ingest.parse.html_walk import HtmlWalk
from ingest.parse.limits import ParseLimits
from ingest.parse.plain import add_paragraphs

Inner = Callable[[bytes, str, ParseLimits, int], Document]

_MAX_DEPTH = 4  # of mails and other files in each other
_MOST_PARTS = 2000
_HEADERS = (
    b"from to cc subject date message-id received mime-version return-path delivered-to content-type reply-to "
    b"x-mailer in-reply-to references sender dkim-signature"
).split()
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,60}):(?:[ \t]|\r?\n[ \t])")
_MBOX_LINE = re.compile(rb"From \S+.{0,80}\d{4}[^\r\n]{0,40}\r?\n")
_MBOX_BREAK = re.compile(rb"(?:^|\n\r?\n)From (?=\S[^\r\n]{0,200}\d{4}[^\r\n]{0,40}\r?\n)")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.M)
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
# Old and odd mails make the library raise almost anything while it decodes a part.
_ODD = (MessageError, ValueError, KeyError, TypeError, AttributeError, IndexError, LookupError, AssertionError)


def looks_like_mail(data: bytes) -> bool:
    """Whether the bytes begin with the headers of a message: three that mails have, one of them telling."""
    return len(_known_headers(data)) >= 3 and bool({b"from", b"received", b"message-id"} & _known_headers(data))


def looks_like_mailbox(data: bytes) -> bool:
    """Whether the bytes begin as MBOX files do."""
    match = _MBOX_LINE.match(data)
    return match is not None and len(_known_headers(data[match.end() : match.end() + 8192])) >= 2


def parse_mail(data: bytes, name: str, limits: ParseLimits, inner: Inner, depth: int = 0) -> Document:
    """One message: its headers, its text, then each attachment that `inner` can read. Raises the typed errors."""
    _refuse_deep(depth)
    builder = TextBuilder(limits.max_characters)
    message = _message(data)
    _Reader(builder, limits, inner, depth).message(message, 1)
    metadata = {key: value for key, value in (("author", _header(message, "from")), ("date", _date(message))) if value}
    return builder.document(
        name, "message/rfc822", title=_header(message, "subject"), metadata=metadata, nothing="the e-mail holds no text"
    )


def parse_mailbox(data: bytes, name: str, limits: ParseLimits, inner: Inner, depth: int = 0) -> Document:
    """Every message of the box under a heading of its own; damaged ones are reported. Raises the typed errors."""
    _refuse_deep(depth)
    builder = TextBuilder(limits.max_characters)
    reader = _Reader(builder, limits, inner, depth)
    lost = 0
    parts = list(_messages(data))
    for part in parts:
        try:
            reader.message(_message(part), 1)
        except BrokenDocument:
            lost += 1
    if parts and lost == len(parts):
        raise BrokenDocument("no message of the mailbox can be read")
    if lost:
        builder.note(f"messages that are damaged and were left out: {lost} of {len(parts)}")
    return builder.document(
        name, "application/mbox", metadata={"messages": len(parts)}, nothing="the mailbox holds no text"
    )


class _Reader:
    def __init__(self, builder: TextBuilder, limits: ParseLimits, inner: Inner, depth: int) -> None:
        self._builder = builder
        self._limits = limits
        self._inner = inner
        self._depth = depth

    def message(self, message: EmailMessage, level: int) -> None:
        """Headers, the one best body, attachments."""
        builder = self._builder
        builder.heading(_header(message, "subject") or "(no subject)", level)
        shown = [(label, _header(message, key)) for label, key in (("From", "from"), ("To", "to"), ("Cc", "cc"))]
        shown.append(("Date", _date(message)))
        builder.lines("paragraph", [builder.cleaned(f"{label}: {value}") for label, value in shown if value])
        bodies, attachments = _parts(message)
        for kind, text in bodies:
            if kind == "text/html":
                self._html(text)
            else:
                add_paragraphs(builder, text)
        for position, part in enumerate(attachments, 1):
            self._attachment(part, position, level)

    def _html(self, text: str) -> None:
        if text.strip():
            root = read_html(text)
            body = root.find("body")
            HtmlWalk(self._builder).run(root if body is None else body)

    def _attachment(self, part: MIMEPart, position: int, level: int) -> None:
        name = " ".join((part.get_filename() or "").split()) or f"attachment {position}"
        try:
            data = _payload(part)
            document = self._inner(data, name, self._limits, self._depth + 1)
        except UnreadableDocument as error:
            self._builder.note(f"attachment {name!r} left out: {error}")
            return
        except _ODD as error:
            self._builder.note(f"attachment {name!r} left out: it is damaged ({type(error).__name__})")
            return
        self._builder.heading(f"Attachment: {name}", level + 1)
        self._builder.include(document, level + 1)


def _refuse_deep(depth: int) -> None:
    if depth >= _MAX_DEPTH:
        raise ParserLimit(f"files are nested more than {_MAX_DEPTH} deep; upload the inner ones by themselves")


def _known_headers(data: bytes) -> set[bytes]:
    """Names of mail headers at the beginning, before the first empty line."""
    head = re.split(rb"\r?\n\r?\n", data[:16_384].lstrip(b"\xef\xbb\xbf"), maxsplit=1)[0]
    lines = head.splitlines()
    if not lines or not _HEADER.match(lines[0] + b"\n "):
        return set()
    found = {match[1].lower() for line in lines if (match := _HEADER.match(line + b"\n "))}
    return found & set(_HEADERS)


def _message(data: bytes) -> EmailMessage:
    try:
        message = message_from_bytes(data, policy=policy.default)
    except _ODD as error:
        raise BrokenDocument(f"the e-mail cannot be read ({type(error).__name__})") from error
    assert isinstance(message, EmailMessage)
    return message


def _messages(data: bytes) -> Iterator[bytes]:
    """The bytes of each message of a box, without its separating line."""
    starts = [match.end() for match in _MBOX_BREAK.finditer(data)]
    ends = [*(match.start() for match in _MBOX_BREAK.finditer(data)), len(data)][1:]
    for start, end in zip(starts, ends, strict=True):
        _, _, body = data[start:end].partition(b"\n")
        yield _QUOTED_FROM.sub(rb"\1", body)


def _parts(message: EmailMessage) -> tuple[list[tuple[str, str]], list[MIMEPart]]:
    """((type, text) of the bodies to show, attachments). Of equal alternatives plain text is taken."""
    bodies: list[tuple[str, str]] = []
    attachments: list[MIMEPart] = []
    left = _MOST_PARTS

    def visit(part: MIMEPart) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ParserLimit(f"the e-mail has more than {_MOST_PARTS:,} parts")
        kind = part.get_content_type()
        if kind == "message/rfc822" or part.get_content_disposition() == "attachment" or part.get_filename():
            if kind not in _SIGNATURES:
                attachments.append(part)
        elif kind == "multipart/alternative":
            _visit_best(part, visit)
        elif part.is_multipart():
            for inner in part.iter_parts():
                visit(inner)
        elif part.get_content_maintype() == "text":
            bodies.append((kind, _text(part)))

    try:
        visit(message)
    except _ODD as error:
        raise BrokenDocument(f"the e-mail is damaged ({type(error).__name__}: {error})") from error
    return bodies, attachments


def _visit_best(part: MIMEPart, visit: Callable[[MIMEPart], None]) -> None:
    choices = list(part.iter_parts())
    plain = [choice for choice in choices if choice.get_content_type() == "text/plain" and _text(choice).strip()]
    chosen = plain[-1:] or choices[-1:]
    for choice in chosen:
        visit(choice)


def _text(part: MIMEPart) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset()
    if charset:
        try:
            return data.decode(charset)
        except (LookupError, UnicodeDecodeError):
            pass
    try:
        return decode(data).text if data else ""
    except UnreadableDocument:
        return data.decode("latin-1")


def _payload(part: MIMEPart) -> bytes:
    """An attachment's bytes; a mail in a mail is written out again."""
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        first = inner[0] if isinstance(inner, list) and inner else inner
        return first.as_bytes() if isinstance(first, EmailMessage) else str(first).encode()
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())[:1000]
    except _ODD:
        return ""


def _date(message: EmailMessage) -> str:
    try:
        found = parsedate_to_datetime(str(message.get("date", "")))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
    except (*_ODD, OverflowError):
        return ""
