"""x"""


def md(summary):
    return "\n".join(f"{k}: {v}" for s in summary["sets"] for k, v in s["scores"].items())
