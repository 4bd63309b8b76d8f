"""Links that lead back to us: a token names what it is for, never a URL, so nothing can be redirected elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from omnibus.errors import Forged
from omnibus.model.delivery import Delivery
from omnibus.model.draft import OptOut
from omnibus.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Links:
    """Make and read the links of one bus.

    Args:
        public_url: empty: no links; unsubscribing goes by mail address or by answering.
        mailto: address that takes unsubscribe wishes, without a public URL.
    """

    tokens: Tokens
    public_url: str = ""
    mailto: str = ""

    def opt_out(self, delivery: Delivery) -> OptOut:
        """Say how this person stops this topic on the channel they read."""
        mailto = f"mailto:{self.mailto}?subject=unsubscribe" if self.mailto else ""
        if not self.public_url:
            return OptOut(mailto=mailto)
        claims = {"u": delivery.customer, "d": delivery.id, "t": delivery.topic, "p": delivery.purpose}
        return OptOut(f"{self.public_url}/u/{self.tokens.seal(claims, 0)}", mailto)

    def read_opt_out(self, token: str) -> dict[str, str]:
        """Read an unsubscribe token: ``u`` customer, ``d`` delivery, ``t`` topic, ``p`` purpose.

        Raises:
            Forged: it is not ours.
        """
        claims = self.tokens.unseal(token)
        if not {"u", "d", "t", "p"} <= claims.keys():
            raise Forged("the token is for something else")
        return claims
