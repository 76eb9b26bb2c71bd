"""How a worker learns of rules or a bundle that another put in force: it asks the store twice a second."""

import asyncio
import logging
from typing import Protocol

from dispatch_model.errors import DispatchError
from serving.routing import Router

FOLLOW_SECONDS = 0.5  # with loading, everybody has what is new within two seconds

logger = logging.getLogger(__name__)


class Follower(Protocol):
    """What follows, such as a `serving.rules.desk.RuleDesk`."""

    @property
    def router(self) -> Router:
        """The router in force."""

    def follow(self) -> bool:
        """Take over what another process stored; whether there was anything."""


async def keep_following(
    desk: Follower, stop: asyncio.Event, seconds: float = FOLLOW_SECONDS, *, what: str = "rules"
) -> None:
    """Follow until `stop`; trouble is logged once, until it is over or becomes another."""
    trouble = ""
    while not await _within(stop, seconds):
        try:
            if await asyncio.to_thread(desk.follow):
                logger.info("%s of another process in force: %s", what, desk.router.versions)
        except DispatchError as error:
            if error.message != trouble:
                logger.error("%s not followed: %s", what, error)
            trouble = error.message
        else:
            trouble = ""


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` happened within `seconds`."""
    try:
        return await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
