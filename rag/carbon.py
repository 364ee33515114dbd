"""How much carbon dioxide an answer may have caused: a rough estimate by settings. Measures nothing.

A local answer counts the time the machine worked on it, whatever else it did meanwhile; a remote one counts tokens.
"""

from dataclasses import dataclass

from rag.settings import Settings


@dataclass(frozen=True, slots=True)
class Carbon:
    """`grams_per_kwh` of the electricity, 0: nothing is estimated; `watts` that this machine draws while it answers;
    `remote_wh` per 1,000 tokens of a remote model."""

    grams_per_kwh: float = 0.0
    watts: float = 0.0
    remote_wh: float = 0.0

    @classmethod
    def by(cls, settings: Settings) -> "Carbon":
        """As set."""
        return cls(settings.carbon_grams_per_kwh, settings.carbon_watts, settings.carbon_remote_wh)

    def grams(self, seconds: float, remote_tokens: int) -> float | None:
        """Of one answer that took so long here, and so many tokens of a remote model; None: nothing is estimated."""
        if self.grams_per_kwh <= 0:
            return None
        watt_hours = self.watts * seconds / 3600 + self.remote_wh * remote_tokens / 1000
        return round(watt_hours * self.grams_per_kwh / 1000, 6)
