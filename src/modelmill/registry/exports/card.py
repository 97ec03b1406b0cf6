"""The model card as it was evaluated (Mitchell et al. 2019, arXiv:1810.03993), and what the registry knows since."""

from modelmill.registry.exports import markdown
from modelmill.registry.exports.facts import Facts


def card(facts: Facts) -> str:
    """The card of the evaluation, then stage, approvals and gates."""
    details = facts.details
    ended = f" It was {details['ended']}." if details["ended"] else ""
    since = f"is in the stage `{facts.stage}` since {markdown.moment(details['since'])}"
    place = f"Version {facts.version} of `{facts.name}` {since}.{ended}"
    sections = [
        facts.card.strip() or f"# {facts.name}\n\nThis version has no model card.",
        f"## Registry\n\n{place} Digest of its tensors: `{details['digest']}`.",
    ]
    for heading, text in {
        "Approvals": markdown.approvals(facts),
        "Gates of the registry": markdown.gates(facts),
        "Events": markdown.events(facts),
    }.items():
        if text:
            sections.append(f"### {heading}\n\n{text}")
    return "\n\n".join(sections) + "\n"
