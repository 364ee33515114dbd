"""Recognise document text that speaks to a language model instead of to a reader. Pure; knows no document and no model.

Documents are data: such text is never evidence, so it is neither put into a prompt nor quoted. What a rule of words can
find is what a weak model would obey; a false fact told as a fact is not found here.
"""

import re

_ACTOR = r"(?:ai|a\.i\.|assistant|language model|llm|chat ?bot|bot|model|gpt|copilot|agent)s?"
_ORDERS = (
    r"(?:instruction|prompt|rule|direction|guideline|command|order|constraint|message|context|document|source|note|"
    r"text|policy|policies)s?"
)
_REPLY = r"(?:answer|reply|response|output|completion|message|sentence)s?"
_SOMETHING = r"[^.\n]"
_BEFORE = r"(?:previous|prior|above|earlier|preceding)"
_SECRETS = (
    r"(?:system prompt|hidden prompt|your (?:instructions|prompt|rules|context|memory)|"
    r"(?:the )?(?:api|secret|private) keys?|instructions above|conversation history|text above)"
)
_TALK = r"(?:conversation|question|chat|history|prompt|session|user(?:'s)? (?:data|name|email|question|input)|answers?)"
_CHAT_TEMPLATE = (
    r"<\|[^|>\n]{1,40}\|>|\[/?INST\]|<<?/?SYS>>?|<s>\s*\[|\bbegin_of_text\b",
    r"^\W{0,4}(?:(?:system|developer)\W{1,3}(?:prompt|message|override|note)|assistant|(?-i:SYSTEM))\W{0,3}:\s",
    r"^#{1,4}\s*(?:system|instructions?|assistant|response)\s*:?\s*$|#{2,4}\s*(?:system|instruction|response)s?:",
    r"</?(?:system|assistant|instructions?|tool_call)>|[\"']role[\"']\s*:\s*[\"']",
)
_ORDERS_TAKEN_BACK = (
    rf"\b(?:ignore|disregard|forget|override|bypass|discard|skip|drop)\b{_SOMETHING}{{0,60}}"
    rf"\b(?:{_BEFORE}|all|any|other|these|those|your|the)\b{_SOMETHING}{{0,40}}\b{_ORDERS}\b{_SOMETHING}{{0,60}}"
    rf"(?:$|[.!,;:]|\b(?:and|instead|but)\b)"
    rf"(?=.*(?:you|answer|reply|say|print|write|instead|only|follow|output|{_ACTOR}))",
    rf"\b(?:ignore|disregard|forget)\s+(?:(?:all|any|every|everything|the|your|of)\s+)*{_BEFORE}\b",
    r"\bnew (?:system )?(?:instructions?|prompt|orders?)\b\s*[:.-]",
)
_ROLES_GIVEN = (
    rf"\b(?:you are|you're|act as|pretend (?:to be|that you are)|behave as|role-?play as)\b{_SOMETHING}{{0,40}}"
    rf"\b(?:{_ACTOR}|dan|unrestricted|jailbroken|developer mode|debug mode|maintenance mode)\b",
    rf"\b(?:attention|dear|hey|note (?:to|for)|message (?:to|for)|instructions? (?:to|for)|memo to|hint for)\b"
    rf"{_SOMETHING}{{0,30}}\b{_ACTOR}\b",
    rf"\b(?:as|if you are|since you are|being) (?:an?|the) (?:{_ACTOR})\b,?{_SOMETHING}{{0,60}}"
    r"\b(?:you|must|should|will|answer|reply|say|print)\b",
    r"\b(?:the|any|every|this|our) (?:ai|assistant|language model|llm|chat ?bot|gpt)\b"
    rf"{_SOMETHING}{{0,40}}\b(?:must|shall|should|has to|is to|will now|is required)\b",
)
_ANSWERS_DICTATED = (
    rf"\b(?:begin|start|end|finish|close|prefix|append|conclude|replace|include|add|insert|put)\b{_SOMETHING}{{0,60}}"
    rf"\b(?:your {_REPLY}|(?:each|every|all|any) (?:answer|reply|response)s?)\b",
    r"\b(?:in|to|into|of) (?:your|each|every|all) (?:next |final )?(?:answer|reply|response|replie)s?\b",
    rf"\byour (?:next |only |final |entire |whole )?{_REPLY}\b{_SOMETHING}{{0,30}}"
    r"\b(?:must|should|shall|will|is|has to|needs? to)\b",
    rf"\b(?:answer|reply|respond|say|output|print)\b{_SOMETHING}{{0,40}}"
    r"\b(?:nothing else|and nothing more|verbatim|word for word|regardless of|no matter what|whatever (?:the|is|they)|"
    r"to (?:every|all|any) questions?|instead of (?:the|an?) (?:answer|question|reply))\b",
    rf"\bwhatever (?:the|any|is)\b{_SOMETHING}{{0,30}}\b(?:question|asked|query)\b{_SOMETHING}{{0,30}}"
    r"\b(?:answer|reply|respond|say|output|print|write)\b",
    rf"\b(?:reveal|print|repeat|leak|disclose|show|output|recite|dump|translate)\b{_SOMETHING}{{0,50}}\b{_SECRETS}\b",
    rf"\b(?:do not|don't|never|must not)\b{_SOMETHING}{{0,30}}\b(?:tell|inform|warn|alert|mention|cite|quote|reveal)\b"
    rf"{_SOMETHING}{{0,40}}\b(?:user|reader|human|person|asker|footnotes?|sources?|this (?:note|instruction|text))\b",
)
_TEXT_CARRIED_AWAY = (
    rf"\b(?:send|post|submit|upload|transmit|append|leak|exfiltrate|encode)\b{_SOMETHING}{{0,60}}\b{_TALK}\b"
    rf"{_SOMETHING}{{0,60}}(?:https?:|//|www\.|\bto\b)",
    r"!\[[^\]\n]*\]\([^)\n]*[?&=][^)\n]*(?:\{|%7b|\[|<)[^)\n]*\)",
)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for family in (_CHAT_TEMPLATE, _ORDERS_TAKEN_BACK, _ROLES_GIVEN, _ANSWERS_DICTATED, _TEXT_CARRIED_AWAY)
    for pattern in family
)


def addresses_model(text: str) -> bool:
    """Whether the text gives orders to whatever reads it by machine."""
    return any(pattern.search(text) for pattern in _PATTERNS)
