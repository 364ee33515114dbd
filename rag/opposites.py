"""Words that cannot both be true of one thing: `increase` and `decrease`, `before` and `after`, `Monday` and `Tuesday`.

English. Pure; knows no passages, no scores, no models. Each line has sides; words of one side may stand for each other
here, words of different sides contradict each other when they are said of the same.
"""

from collections import defaultdict
from functools import lru_cache

from rag.words import stem

_SIDES = """
increase rise grow raise gain expand climb improve up augment boost enhance strengthen upward higher growth surge
    | decrease fall shrink lower lose contract drop worsen down reduce decline diminish weaken downward reduction dip
include inclusive contain comprise incorporate | exclude exclusive omit
above over exceed beyond more greater higher larger longer | below under beneath less fewer lower smaller shorter
before prior earlier previous precede | after later afterwards subsequent next
first initial begin start open early commence launch | last final end finish close late stop conclude cease terminate
allow permit enable let grant accept approve authorize
    | forbid deny disable prevent block prohibit reject refuse decline ban restrict
must required mandatory compulsory obligatory necessary | may optional voluntary unnecessary
on | off
all every each always entire whole fully completely both | none no never partly partially some few neither part
constantly regularly frequently often usually always | rarely seldom occasionally sometimes never
many several multiple numerous various | few single one
maximum most max highest largest biggest best top longest latest
    | minimum least min lowest smallest worst bottom shortest earliest
high tall | low short
big large huge major significant substantial considerable massive
    | small little tiny minor insignificant negligible slight minimal trivial modest
long lengthy | short brief
old existing former current | new future
novel innovative modern new | traditional conventional outdated old
fast quick rapid swift soon immediately | slow gradual
easy simple straightforward effortless easily | hard difficult complex complicated challenging
strong robust powerful solid | weak fragile poor feeble
good positive favorable favourable excellent better | bad negative unfavorable unfavourable poor worse
success succeed successful successfully achieve | fail failure unsuccessful unsuccessfully miss
win | lose
profit profitable gain earnings | loss unprofitable
buy purchase acquire | sell sale divest
give provide offer send deliver supply | take withhold receive withdraw
import upload | export download
internal inside in within inner inward | external outside out outer outward
public shared | private
open | closed shut
online remote virtual | offline local physical
wireless | wired
automatic automatically automated | manual manually
possible able capable | impossible unable incapable
agree agreement consent | disagree disagreement refuse object
like love enjoy prefer | dislike hate
interested keen eager enthusiastic excited | uninterested indifferent reluctant hesitant unwilling
happy satisfied pleased satisfaction | unhappy dissatisfied displeased disappointed dissatisfaction
certain sure definite confident | uncertain unsure doubtful
support favor favour endorse promote encourage advocate | oppose discourage undermine hinder against
help assist facilitate benefit | hinder harm hamper impede obstruct hurt
add insert introduce implement adopt | remove delete eliminate discontinue abandon subtract
create build establish construct | destroy demolish dismantle
cause | prevent
safe secure safely securely | dangerous unsafe insecure risky vulnerable
cheap inexpensive affordable | expensive costly
free | paid charged
rich | poor
full | empty partial
complete finished comprehensive | incomplete partial unfinished
present | absent
same similar identical equal alike consistent | different distinct unlike unequal inconsistent
familiar known | unknown unfamiliar
common usual typical general | rare unusual uncommon specific
right correct accurate true | wrong incorrect inaccurate false
valid | invalid expired
pass | fail
push | pull
ask request question | answer reply
lead | follow
north northern | south southern | east eastern | west western
left | right
front | back rear
forward | backward
top upper | bottom lower
morning | afternoon | evening | night
warm hot | cold cool
wet | dry
light bright | dark
active | passive inactive
direct | indirect
linear | nonlinear
continuous | discrete
static | dynamic
local | global
efficient effective efficiency | inefficient ineffective inefficiency
relevant related | irrelevant unrelated
dependent | independent
limited restrict | unlimited unrestricted
narrow | wide broad
centralized | decentralized distributed
upstream | downstream
encode encoder encrypt | decode decoder decrypt
input | output
source sender | target recipient receiver
client customer buyer | server seller vendor supplier
employer | employee
teacher | student
domestic national | foreign international
hourly | daily | weekly | monthly | quarterly | annual yearly
today | yesterday | tomorrow
ahead | behind
near close | far distant
continue maintain keep retain sustain remain persist | stop end cease discontinue change abandon pause halt
delay postpone | advance expedite
outperform surpass beat superior | underperform inferior lag
overestimate | underestimate
majority | minority
attach connect pair link | detach disconnect unpair unlink
lock | unlock
install | uninstall
visible show display reveal | hidden hide conceal invisible
save keep store | delete discard waste
earn income revenue | expense cost spend
borrow | lend
credit | debit
asset | liability
upgrade | downgrade
inbound incoming | outbound outgoing
advantage benefit strength | disadvantage drawback weakness
solve resolve | create cause
precise accurate | vague approximate
flexible | rigid inflexible strict
temporary temporarily | permanent permanently
individual individually separately alone | collective jointly together group
monday | tuesday | wednesday | thursday | friday | saturday | sunday
january | february | march | april | june | july | august | september | october | november | december
spring | summer | autumn fall | winter
first | second | third | fourth | fifth | sixth | seventh | eighth | ninth | tenth
man men he his him | woman women she her
"""
_PREFIXES = ("un", "non", "non-")
_LEAST = 4  # letters behind such a prefix: `unit` is not the opposite of `it`


def _read() -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """Stem -> the stems against it, and stem -> the stems on its side."""
    against, beside = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for line in _SIDES.replace("\n    |", " |").strip().splitlines():
        sides = [frozenset(map(stem, side.split())) for side in line.split("|")]
        for side in sides:
            others = frozenset().union(*sides) - side
            for word in side:
                against[word] |= others
                beside[word] |= side - {word}
    return (
        {word: frozenset(found) for word, found in against.items()},
        {word: frozenset(beside[word] - found) for word, found in against.items()},
    )


_AGAINST, _BESIDE = _read()


@lru_cache(maxsize=65_536)
def opposites(word: str) -> frozenset[str]:
    """The stems that contradict a stem, `unusable` for `usable` among them; empty for most."""
    turned = {prefix + word for prefix in _PREFIXES if len(word) >= _LEAST}
    turned |= {word.removeprefix(p) for p in _PREFIXES if word.startswith(p) and len(word) - len(p) >= _LEAST}
    known = _AGAINST.get(word, frozenset())
    return known | turned


def alike(word: str) -> frozenset[str]:
    """The stems that may stand for this one here; without itself."""
    return _BESIDE.get(word, frozenset())
