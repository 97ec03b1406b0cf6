"""The rules on a text's length and on advertisements, over a column at once."""

import polars as pl

from modelmill.specs.cleaning import CleaningSpec

_SALES = (
    "(?i)微信|薇信|威信|加微|加我|客服|热线|代理|招商|加盟|经销|厂家|批发|优惠|办理|咨询|娱乐城|彩票|时时彩|棋牌|博彩|投注|"
    "贷款|套现|侦探|专科医院|疗程|兼职|whatsapp|wechat|casino|click here|order now|limited offer"
)
_CONTACT = r"(?i)1[3-9]\d{9}|\d{3,4}-\d{7,8}|(?:qq|微信|薇信|wechat)\s*(?:号)?\s*[:：]?\s*[a-z0-9_-]{5,}|https?://"


def is_spam(text: pl.Expr) -> pl.Expr:
    """An advertisement: contact details beside sales words, or sales words all over."""
    words = text.str.count_matches(_SALES)
    return (words >= 5) | ((words >= 2) & text.str.contains(_CONTACT))


def why_rejected(texts: pl.Series, spec: CleaningSpec) -> pl.Series:
    """The name of the rule that takes a normalised text out, or null."""
    text = pl.col(texts.name)
    length = text.str.len_chars()
    rules = {"empty": length == 0, "too_short": length < spec.min_chars, "too_long": length > spec.max_chars}
    if spec.drop_spam:
        rules["spam"] = is_spam(text)
    reasons = [pl.when(broken).then(pl.lit(reason)) for reason, broken in rules.items()]
    return texts.to_frame().select(pl.coalesce(reasons).alias("reason"))["reason"]
