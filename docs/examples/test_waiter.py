"""No guest is forgotten, and none gets two tables, whatever happens to the connections."""

import asyncio

from docs.examples.waiter import Waiter, take_calls
from hypothesis import given

from relive.testing import Answer, CallTools, FunctionCall, Speak
from relive.testing.simulation.embedding import hold_agent, speech
from relive.testing.strategies import LINK, SERVER, patient, plans


class Model:  # has a table booked, and says so
    def answer(self, said):
        return Answer((CallTools((FunctionCall("book_table", {"people": 2}),)), Speak(b"booked", delay=1.0)))


async def evening(client, waiter=Waiter):
    tables = []

    async def book(people):
        await asyncio.sleep(5.0)
        tables.append(people)
        return f"table {len(tables)}"

    async def guests():
        for _ in range(6):
            await asyncio.sleep(5.0)
            yield speech(seconds=1.0)

    return await take_calls(client, guests(), book, waiter), tables


def everybody_has_a_table(history):
    if not history.gave_up:
        heard, tables = history.returned
        assert heard.count(b"booked") >= 6 - history.cut_short  # an answer that stops twice is over: they ask again
        assert len(tables) <= 6


@patient
@given(plans(LINK + SERVER, seconds=130.0))
def test_no_guest_is_forgotten(plan):
    hold_agent(evening, plan, everybody_has_a_table, model=Model())
