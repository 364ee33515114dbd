"""The words of signing in, of one's own account and of keys. Knows no template."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    # Signing in, and one's own account
    "sign.title": "Sign in",
    "sign.name": "Name",
    "sign.password": "Password",
    "sign.in": "Sign in",
    "sign.out": "Sign out",
    "account.title": "Account",
    "account.lead": "You are {name}; your role is {role}.",
    "account.none": "There are no accounts yet: whoever reaches this service may do everything. Make the first owner "
    "in a terminal: footnote users create-owner NAME",
    "account.password": "Password",
    "account.current": "Current password",
    "account.new": "New password",
    "account.change": "Change password",
    "account.changed": "The password was changed; your other sessions have ended.",
    # API keys
    "keys.title": "API keys",
    "keys.lead": "A program sends its key as a bearer token. A key never may more than its person.",
    "keys.name": "Name",
    "keys.of": "Of",
    "keys.mine": "me",
    "keys.scopes": "Good for",
    "keys.expires": "Expires",
    "keys.used": "Last used",
    "keys.once": "Copy this key now. It is not shown again.",
    "keys.copy": "Copy",
    "keys.for": "What the key is for",
    "keys.whose": "Whose key",
    "keys.days": "Days until it expires (empty: never)",
    "keys.make": "Make key",
    "keys.rotate": "New secret",
    "keys.revoke": "Revoke",
    # Who may do what with a collection, and who alone may read a document
    "access.title": "Who may use this collection",
    "access.lead": "Owners and admins may do everything. Whoever may manage also reads documents that have readers of "
    "their own.",
    "access.nobody": "Nobody is named: only owners and admins use it.",
    "access.kind": "Who",
    "access.person": "a person",
    "access.group": "a group",
    "access.name": "Name of the person or the group",
    "access.add": "Add",
    "access.gone": "deleted",
    "access.level.read": "read",
    "access.level.write": "read and write",
    "access.level.manage": "manage",
    "access.reads": "reads it",
    "readers.title": "Who may read this document",
    "readers.lead": "Those named here alone, among those who may read the collection, and whoever manages it. It holds "
    "for all versions.",
    "readers.nobody": "Nobody is named: whoever may read the collection reads it.",
    # One-time codes
    "sign.code": "Code of your authenticator, or a recovery code",
    "codes.title": "One-time codes",
    "codes.lead": "With codes on, signing in takes your password and a code of an authenticator app.",
    "codes.on": "Codes are on.",
    "codes.off": "Codes are off.",
    "codes.begin": "Turn codes on",
    "codes.scan": "Scan this with an authenticator app, or type the letters into it; then type the code that it shows.",
    "codes.picture": "A QR code of the letters below",
    "codes.turn.on": "Turn codes on",
    "codes.turn.off": "Turn codes off",
    "codes.recovery": "Keep these recovery codes in a safe place. Each is good once, and they are not shown again.",
}
