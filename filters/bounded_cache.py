"""A cache that never holds more than a stated number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class BoundedCache(Generic[Key, Item]):
    """Forgets what was used longest ago once the sizes given with the items exceed `capacity` bytes; the newest item always stays."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: OrderedDict[Key, tuple[Item, int]] = OrderedDict()
        self.size = 0

    def get(self, key: Key) -> Item | None:
        """The item, now the most recently used, or `None`."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: Key, item: Item, size: int) -> None:
        """Keep the item; an item already there under the key is replaced."""
        self.drop(key)
        self._items[key] = (item, size)
        self.size += size
        while self.size > self._capacity and len(self._items) > 1:
            self.drop(next(iter(self._items)))

    def discard(self, is_obsolete: Callable[[Key], bool]) -> None:
        """Forget every item whose key is obsolete."""
        for key in [key for key in self._items if is_obsolete(key)]:
            self.drop(key)

    def drop(self, key: Key) -> None:
        """Forget the item, if there is one."""
        if key in self._items:
            self.size -= self._items.pop(key)[1]

    def __len__(self) -> int:
        return len(self._items)
