"""The rules that take a text out."""

import re

from modelmill.specs.cleaning import CleaningSpec

_SALES = re.compile(
    "微信|薇信|威信|加微|加我|客服|热线|代理|招商|加盟|经销|厂家|批发|优惠|办理|咨询|娱乐城|彩票|时时彩|棋牌|博彩|投注|"
    "贷款|套现|侦探|专科医院|疗程|兼职|whatsapp|wechat|casino|click here|order now|limited offer",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"1[3-9]\d{9}|\d{3,4}-\d{7,8}|(?:qq|微信|薇信|wechat)\s*(?:号)?\s*[:：]?\s*[a-z0-9_-]{5,}|https?://", re.I
)


def is_spam(text: str) -> bool:
    """An advertisement: contact details beside sales words, or sales words all over."""
    words = len(_SALES.findall(text))
    return words >= 5 or (words >= 2 and _CONTACT.search(text) is not None)


def why_rejected(text: str, spec: CleaningSpec) -> str | None:
    """The name of the rule that takes a normalised text out, or None."""
    if not text:
        return "empty"
    if len(text) < spec.min_chars:
        return "too_short"
    if len(text) > spec.max_chars:
        return "too_long"
    if spec.drop_spam and is_spam(text):
        return "spam"
    return None
