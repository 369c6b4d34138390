"""The pure core: facts and a time go in, orders come out. Start with `relive.core.table`."""
