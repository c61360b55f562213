"""Contacts: users, and whom each of them knows, in a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from twisted.internet.defer import Deferred

from toolkit import concurrency
from toolkit.concurrency import deferred
from toolkit.database.database import Database
from toolkit.database.errors import UniqueViolation
from toolkit.database.transaction import Transaction
from toolkit.errors import ToolkitError

UNKNOWN = "(unknown)"
"""The name of who is nobody."""

STEPS = (
    "CREATE TABLE users (username VARCHAR(64) PRIMARY KEY, name VARCHAR(200) NOT NULL)",
    """CREATE TABLE contacts (
        username VARCHAR(64) NOT NULL REFERENCES users (username) ON DELETE CASCADE,
        contact VARCHAR(64) NOT NULL REFERENCES users (username) ON DELETE CASCADE,
        PRIMARY KEY (username, contact)
    )""",
    "CREATE INDEX contacts_by_contact ON contacts (contact)",
)
"""The tables, for `Database.migrate`."""

SAMPLE = {
    "ann": ("Ann Archer", ("ben", "cleo", "dora")),
    "ben": ("Ben Baker", ("ann",)),
    "cleo": ("Cleo Carter", ("ann", "dora")),
    "dora": ("Dora Draper", ("ann", "cleo", "emil")),
    "emil": ("Emil Fisher", ()),
}
"""Sample people: by username, the name and the contacts."""

_ADD_USER = "INSERT INTO users (username, name) VALUES ({username}, {name})"
_ADD_CONTACT = "INSERT INTO contacts (username, contact) VALUES ({username}, {contact})"
_KNOWN = "SELECT username FROM users WHERE username = {username}"


USERNAME = "1 to 64 letters, digits or any of . _ @ + -, but neither . nor .."
"""What a username may be, in words."""

Username = Annotated[
    str, Meta(pattern=r"^(?!\.{1,2}\Z)[\w.@+-]{1,64}\Z", description=USERNAME)
]  # of . and .. a client makes another path
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*\Z",
        description="text without control characters",
    ),
]


class User(msgspec.Struct, frozen=True):
    """Somebody."""

    username: Username
    name: Name


class InvalidUser(ToolkitError):
    """No user can be like that."""

    code = "invalid-user"


class UnknownUser(ToolkitError):
    """There is no such user."""

    code = "unknown-user"

    def __init__(self, username: str) -> None:
        super().__init__(f"there is no user {username!r}")


class UnknownContact(ToolkitError):
    """The user has no such contact."""

    code = "unknown-contact"


class Contacts:
    """Users and their contacts. Every call fails with a DatabaseError when the database does.

    Args:
        database: Where they are kept. It must be running when a call is made.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @deferred
    async def prepare(self, seed: bool = False) -> None:
        """Make the tables, where they are missing.

        Args:
            seed: Whether the sample people are added, if there is no user yet.
        """
        await self._database.migrate(STEPS, "contacts")
        if seed:
            try:
                await self._database.transaction(_seed)
            except UniqueViolation:
                return  # another process that started with this one was faster

    @deferred
    async def get_user(self, username: str) -> User:
        """A user.

        Raises:
            UnknownUser: There is none of that name.
        """
        row = await self._database.maybe_one(
            "SELECT username, name FROM users WHERE username = {username}", username=username
        )
        if row is None:
            raise UnknownUser(username)
        return User(*row)

    @deferred
    async def get_user_name(self, username: str) -> str:
        """The name of a user, `(unknown)` for nobody."""
        try:
            return (await self.get_user(username)).name
        except UnknownUser:
            return UNKNOWN

    @deferred
    async def get_contacts(self, username: str) -> list[str]:
        """The usernames of those whom a user knows, sorted.

        Raises:
            UnknownUser: There is no such user.
        """
        rows = await self._database.query(
            "SELECT c.contact FROM users u LEFT JOIN contacts c ON c.username = u.username "
            "WHERE u.username = {username}",
            username=username,
        )
        if not rows:
            raise UnknownUser(username)
        return sorted(row[0] for row in rows if row[0] is not None)

    def parallel_lookup(self, usernames: Iterable[str]) -> Deferred[dict[str, str | None]]:
        """The names of several users, looked up at once.

        Args:
            usernames: Whose.

        Returns:
            A Deferred with the name by username, `(unknown)` for nobody, and None for one whose
            look-up failed (which is logged).
        """
        return concurrency.parallel_lookup(usernames, self.get_user_name)

    @deferred
    async def add_user(self, user: User) -> None:
        """Add a user; UniqueViolation if there is one of that username.

        Raises:
            InvalidUser: The username or the name is not what it may be.
        """
        _check_user(user)
        await self._database.execute(_ADD_USER, username=user.username, name=user.name)

    @deferred
    async def put_user(self, user: User) -> bool:
        """Add a user, or give one another name.

        Returns:
            A Deferred: whether the user is new.

        Raises:
            InvalidUser: The username or the name is not what it may be.
        """
        _check_user(user)
        return await self._database.transaction(_put_user, user)

    @deferred
    async def remove_user(self, username: str) -> None:
        """Remove a user, also from the contacts of others.

        Raises:
            UnknownUser: There is no such user.
        """
        if not await self._database.execute(
            "DELETE FROM users WHERE username = {username}", username=username
        ):
            raise UnknownUser(username)

    def add_contact(self, username: str, contact: str) -> Deferred[None]:
        """Add a contact of a user; UniqueViolation if it is one already.

        Returns:
            A Deferred that fails with UnknownUser if either is not there.
        """
        return self._database.transaction(_add_contact, username, contact)

    def put_contacts(self, username: str, contacts: Sequence[str]) -> Deferred[None]:
        """Have a user know these, and nobody else.

        Returns:
            A Deferred that fails with UnknownUser if one is not there; then nothing is changed.
        """
        return self._database.transaction(_put_contacts, username, contacts)

    @deferred
    async def remove_contact(self, username: str, contact: str) -> None:
        """Remove a contact of a user.

        Raises:
            UnknownUser: There is no such user.
            UnknownContact: The user has no such contact.
        """
        if not await self._database.execute(
            "DELETE FROM contacts WHERE username = {username} AND contact = {contact}",
            username=username,
            contact=contact,
        ):
            await self.get_user(username)
            raise UnknownContact(f"{username!r} has no contact {contact!r}")


def _seed(transaction: Transaction) -> None:
    if transaction.one("SELECT count(*) FROM users")[0]:
        return
    users = [{"username": username, "name": name} for username, (name, _) in SAMPLE.items()]
    transaction.execute_many(_ADD_USER, users)
    pairs = [
        {"username": username, "contact": contact}
        for username, (_, contacts) in SAMPLE.items()
        for contact in contacts
    ]
    transaction.execute_many(_ADD_CONTACT, pairs)


def _put_user(transaction: Transaction, user: User) -> bool:
    values = {"username": user.username, "name": user.name}
    # What was changed tells whether the user is new, whatever others do meanwhile.
    if transaction.execute(f"{_ADD_USER} ON CONFLICT (username) DO NOTHING", **values):
        return True
    transaction.execute("UPDATE users SET name = {name} WHERE username = {username}", **values)
    return False


def _check_user(user: User) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(user), User)
    except msgspec.ValidationError:
        raise InvalidUser(
            f"a username is {USERNAME}, a name 1 to 200 characters of text without control "
            f"characters: not {user!r:.300}"
        ) from None


def _check(transaction: Transaction, usernames: Iterable[str]) -> None:
    for username in usernames:
        if transaction.maybe_one(_KNOWN, username=username) is None:
            raise UnknownUser(username)


def _add_contact(transaction: Transaction, username: str, contact: str) -> None:
    _check(transaction, (username, contact))
    transaction.execute(_ADD_CONTACT, username=username, contact=contact)


def _put_contacts(transaction: Transaction, username: str, contacts: Sequence[str]) -> None:
    wanted = sorted(set(contacts))
    _check(transaction, (username, *wanted))
    transaction.execute("DELETE FROM contacts WHERE username = {username}", username=username)
    transaction.execute_many(
        f"{_ADD_CONTACT} ON CONFLICT (username, contact) DO NOTHING",  # another adds it meanwhile
        [{"username": username, "contact": contact} for contact in wanted],
    )
