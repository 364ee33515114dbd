"""Words that mean the same in questions to a support desk: `bill` and `invoice`, `faulty` and `broken`. English.

Pure; knows no passages, no scores, no models. A group holds words that may stand for each other in a question without
asking for something else; words that only belong to the same matter are in no group. A word may be in several groups.
"""

import re
from collections.abc import Collection
from functools import lru_cache

from rag.words import WORD, names, stem

_GROUPS = """
bill invoice
reward bounty prize payout
bug flaw defect vulnerability fault problem issue
broken faulty defective damaged
error failure fault problem
credentials password login
cost price fee charge
buy purchase order
cancel terminate
delete remove erase
phone telephone
mobile cellphone smartphone
email mail
guide manual handbook instructions
user person member
plan subscription tier
refund reimbursement
refund repay reimburse
repair fix mend
start begin commence
stop end finish
stop halt
allow permit let
picture image photo photograph
fast quick rapid
change modify edit alter
change switch
show display
vacation holiday
staff employee employees worker personnel
boss manager supervisor
salary pay wage
help assistance support
firm company business organisation organization
client customer
expire lapse
renew extend prolong
limit maximum cap most
least minimum
smallest lowest minimum
highest biggest largest greatest maximum
choose select pick
connect link attach pair
disconnect detach unlink unpair
install setup
configure setup adjust
login signin sign-in log-in
register enrol enroll signup
place location
wireless wifi wi-fi
computer laptop pc
screen display monitor
noise sound
lamp light led
dimensions size measurements
invite invitation
colleague coworker teammate
doctor physician
car vehicle
discount rebate reduction
delivery shipping shipment dispatch
deliver ship send dispatch
parcel package shipment
late overdue delayed
unpaid overdue outstanding
warranty guarantee
complain complaint
permission right privilege
folder directory
update upgrade
crash freeze hang
reboot restart
enable activate
disable deactivate
forbidden prohibited banned
mandatory required compulsory obligatory necessary
optional voluntary
duration length period
often frequently
yearly annual annually
get obtain receive
keep retain store
keep retention storage
safe secure
secret confidential
illegal unlawful
proof evidence
accept approve
reject decline refuse deny
reply response answer
alarm alert warning
notify inform tell warn
notification message alert
verify confirm check validate
copy duplicate
backup copy
recover restore
lost missing
stolen theft
hack breach intrusion
leak breach
water moisture
outside outdoors outdoor
inside indoors indoor
range distance
administrator admin
application app program
information info details
configuration config
documentation docs
database db
specification specs spec
temperature temp
maximum max
minimum min
number count amount
return send-back
device product appliance unit
product item article
works functions operates
job task
buyer customer purchaser
seller vendor supplier
replace swap exchange
replacement spare
broken-down defunct
cheap inexpensive
free gratis complimentary
rest remainder
quit leave
forward redirect
export download
import upload
battery accumulator
plug socket
wire cable lead
button key
room space
building site premises
rule policy regulation
agreement contract
sign signature
deadline limit
fine penalty
compensation credit
availability uptime
outage downtime
insecure unsafe
humid humidity
"""
# Forms that no ending tells.
_FORMS = {
    "bought": "buy", "paid": "pay", "sent": "send", "lost": "lose", "gave": "give", "given": "give", "kept": "keep",
    "ran": "run", "broke": "break", "chose": "choose", "chosen": "choose", "got": "get", "gotten": "get",
    "held": "hold", "left": "leave", "made": "make", "sold": "sell", "spent": "spend", "stole": "steal",
    "took": "take", "taken": "take", "told": "tell", "went": "go", "gone": "go", "wrote": "write",
    "written": "write", "found": "find", "forgot": "forget", "forgotten": "forget", "began": "begin",
    "begun": "begin", "built": "build", "saw": "see", "seen": "see", "shown": "show", "fell": "fall",
    "fallen": "fall", "grew": "grow", "grown": "grow", "met": "meet", "said": "say", "people": "person",
}  # fmt: skip


# Several words that one stands for; what is between them stays: `send the hub back`, `return the hub`.
_PHRASES = tuple(
    (re.compile(rf"\b(?:{begin})\b((?:\s+[\w-]+){{0,3}}?)\s+{end}\b", re.IGNORECASE), word)
    for begin, end, word in (
        ("give|send|bring|take", "back", "return"),
        ("my|our|the", "money back", "a refund"),
        ("get", "rid of", "remove"),
        ("turn|switch", "off", "disable"),
        ("turn|switch", "on", "enable"),
        ("sign", "up", "register"),
        ("hand", "over", "transfer"),
        ("shut", "down", "close"),
    )
)


def alike(stem_: str) -> frozenset[str]:
    """Stems of the words that may stand for a word of this stem; not itself."""
    return _table().get(stem_, frozenset())


def told_with_held(question: str, held: Collection[str]) -> str:
    """The question with each word that is not held, by stem, replaced by one that is, where one may stand for it.

    So are phrases of several words, `give back`. Names are left as they are.
    """
    for pattern, word in _PHRASES:
        if stem(word.split()[-1]) in held:
            question = pattern.sub(rf"{word}\1", question)
    proper = names(question)
    pieces, end = [], 0
    for match in WORD.finditer(question):
        own = stem(match.group().lower())
        if own in held or own in proper:
            continue
        instead = next((word for word in _words_alike(own) if stem(word) in held), None)
        if instead is not None:
            pieces += [question[end : match.start()], instead]
            end = match.end()
    return "".join(pieces) + question[end:]


def words_for_phrases(question: str) -> list[str]:
    """One word for each phrase of the question that has one."""
    return [word.split()[-1] for pattern, word in _PHRASES if pattern.search(question)]


@lru_cache(maxsize=1)
def _groups() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in _GROUPS.split("\n") if line)


@lru_cache(maxsize=1)
def _table() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for group in _groups():
        stems = {stem(word) for word in group}
        for word in stems:
            table.setdefault(word, set()).update(stems - {word})
    for form, plain in _FORMS.items():
        one, other = stem(form), stem(plain)
        table.setdefault(one, set()).update({other} | table.get(other, set()))
        table.setdefault(other, set()).add(one)
    return {word: frozenset(others - {word}) for word, others in table.items()}


@lru_cache(maxsize=4096)
def _words_alike(own: str) -> tuple[str, ...]:
    """Words that may stand for one of this stem, those of the first group first."""
    found = [word for group in _groups() if own in {stem(word) for word in group} for word in group]
    plain = [plain for form, plain in _FORMS.items() if stem(form) == own]
    return tuple(word for word in (*plain, *found) if stem(word) != own)
