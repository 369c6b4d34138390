"""The store of `folder_store.py` keeps the contract, also between two processes, and agrees with a model of it."""

import tempfile
from pathlib import Path

from docs.examples.folder_store import FolderStore
from hypothesis import settings

from relive.testing.contracts import check_store
from relive.testing.store_machine import StoreMachine


async def test_it_keeps_the_contract(tmp_path: Path) -> None:
    await check_store(lambda: FolderStore(tmp_path), shared=True)


class Machine(StoreMachine):
    def open_world(self) -> None:
        self.folder = tempfile.TemporaryDirectory()

    def close_world(self) -> None:
        self.folder.cleanup()

    def make_store(self) -> FolderStore:
        return FolderStore(Path(self.folder.name), wall=self.wall)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
