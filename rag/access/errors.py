"""Why someone was turned away. Knows no HTTP status: one table in `rag/api` maps classes.

AccessError
├── NotSignedIn                 no credential, or one that is unknown, expired, revoked or suspended
├── SignInFailed                name and password do not belong together
├── SignOnFailed                the sign-in provider's word is missing or not good
├── CodeWanted                  the password is right; a code of the second factor is needed too
├── NotAllowed                  known, but this is not theirs to do
├── ForgedRequest               a browser's write without the token that only our pages know
├── TooMany                     beyond a limit; come back after `retry_after` seconds
├── TooSlow                     the request's body came too slowly
├── NoSuchPerson, NoSuchGroup, NoSuchGrant, NoSuchKey
├── NameTaken                   another person or group has this name
├── WeakPassword
├── LastOwner                   without it nobody could administer this service
├── BadAccess                   a role, level or scope is malformed
└── AuditBroken                 the audit log was altered
"""

from index.errors import FootnoteError


class AccessError(FootnoteError):
    """Something about who may do what."""


class NotSignedIn(AccessError):
    """No valid credential came with the request."""


class SignInFailed(AccessError):
    """The name or the password is wrong; which of them is not said."""


class SignOnFailed(AccessError):
    """Signing in at the provider came to nothing: its word is missing, not good, or not enough."""


class CodeWanted(AccessError):
    """Name and password are right, but a code of the second factor is missing, wrong or used."""


class NotAllowed(AccessError):
    """The caller is known and may see the object, but may not do this to it."""


class ForgedRequest(AccessError):
    """A write with a session cookie lacks the token that proves it came from our own page."""


class TooMany(AccessError):
    """A limit is reached. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooSlow(AccessError):
    """The body of a request did not come in time."""


class NoSuchPerson(AccessError):
    """No person has this id or name."""


class NoSuchGroup(AccessError):
    """No group has this id or name."""


class NoSuchGrant(AccessError):
    """No grant has this id."""


class NoSuchKey(AccessError):
    """No API key has this id."""


class NameTaken(AccessError):
    """Another person or group has this name."""


class WeakPassword(AccessError):
    """The password is too short or too long."""


class LastOwner(AccessError):
    """The last active owner cannot be suspended or given another role."""


class BadAccess(AccessError):
    """A role, a level, a scope or a name is malformed."""


class AuditBroken(AccessError):
    """A line of the audit log was changed, removed or put in."""
