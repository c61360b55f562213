"""Contacts: users, and whom each of them knows, as a JSON API over the site's database."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from klein import Klein
from twisted.application.service import IService
from twisted.internet.defer import Deferred

from toolkit.concurrency import deferred
from toolkit.contacts import USERNAME, Contacts, Name, UnknownContact, UnknownUser, User, Username
from toolkit.database import errors
from toolkit.listen import Listening
from toolkit.service import Declaration, Shared
from toolkit.settings import Endpoint, Meta
from toolkit.waiting import shielded
from toolkit.web.answers import JsonResponse
from toolkit.web.errors import BadRequest, Conflict, NotFound, Unavailable
from toolkit.web.handler import as_json
from toolkit.web.resource import JsonResource, JsonSettings
from toolkit.web.site import LimitedSite

T = TypeVar("T")

_AWAY = (
    errors.Unavailable,
    errors.ConnectionLost,
    errors.Closed,
    errors.OutOfResources,
    errors.StorageFailed,
)
_BUSY = (errors.Busy, errors.Conflict, errors.QueueFull, errors.DeadlinePassed)


class ContactsSettings(JsonSettings):
    """Keep users and their contacts in the database, behind a JSON API."""

    listen: Endpoint = "tcp:8081:interface=127.0.0.1"
    seed: Annotated[bool, Meta(description="add sample people, if there are none")] = False


class WhoseContacts(msgspec.Struct, forbid_unknown_fields=True):
    """Whose contacts."""

    username: Username


class OneContact(msgspec.Struct, forbid_unknown_fields=True):
    """One contact of a user."""

    username: Username
    contact: Username


class AllContacts(msgspec.Struct, forbid_unknown_fields=True):
    """All contacts of a user."""

    username: Username
    contacts: Annotated[list[Username], Meta(max_length=1000)]


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user to add."""

    username: Username
    name: Name


class NewName(msgspec.Struct, forbid_unknown_fields=True):
    """The name of a user."""

    name: Name


class ContactsApi:
    """The web application: `/contacts` and `/users`. Writes are finished though a peer leaves.

    Args:
        contacts: What is asked for, and changed.
    """

    app = Klein()

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts

    @app.route("/contacts", methods=["GET"])
    @as_json(query=WhoseContacts)
    async def list_contacts(self, request: Any, query: WhoseContacts) -> Any:
        """`{"contacts": […]}`: the usernames of those whom a user knows."""
        return {"contacts": await _asked(self._contacts.get_contacts(query.username))}

    @app.route("/contacts", methods=["POST"])
    @as_json(body=OneContact)
    async def add_contact(self, request: Any, body: OneContact) -> Any:
        """Add a contact of a user."""
        await _asked(shielded(self._contacts.add_contact(body.username, body.contact)))
        return JsonResponse(body, 201)

    @app.route("/contacts", methods=["PUT"])
    @as_json(body=AllContacts)
    async def put_contacts(self, request: Any, body: AllContacts) -> Any:
        """Replace all contacts of a user."""
        await _asked(shielded(self._contacts.put_contacts(body.username, body.contacts)))
        return {"contacts": sorted(set(body.contacts))}

    @app.route("/contacts", methods=["DELETE"])
    @as_json(query=OneContact)
    async def remove_contact(self, request: Any, query: OneContact) -> None:
        """Remove a contact of a user."""
        await _asked(shielded(self._contacts.remove_contact(query.username, query.contact)))

    @app.route("/users", methods=["POST"])
    @as_json(body=NewUser)
    async def add_user(self, request: Any, body: NewUser) -> Any:
        """Add a user."""
        await _asked(shielded(self._contacts.add_user(User(body.username, body.name))))
        return JsonResponse(body, 201)

    @app.route("/users/<username>", methods=["GET"])
    @as_json()
    async def find_user(self, request: Any, username: str) -> Any:
        """`{"username": …, "name": …}`: a user."""
        return await _asked(self._contacts.get_user(_username(username)))

    @app.route("/users/<username>", methods=["PUT"])
    @as_json(body=NewName)
    async def put_user(self, request: Any, username: str, body: NewName) -> Any:
        """Add a user, or give one another name."""
        user = User(_username(username), body.name)
        is_new = await _asked(shielded(self._contacts.put_user(user)))
        return JsonResponse(user, 201 if is_new else 200)

    @app.route("/users/<username>", methods=["DELETE"])
    @as_json()
    async def remove_user(self, request: Any, username: str) -> None:
        """Remove a user, also from the contacts of others."""
        await _asked(shielded(self._contacts.remove_user(_username(username))))


def _username(text: str) -> str:
    try:
        return msgspec.convert(text, Username)
    except msgspec.ValidationError:
        raise BadRequest(f"username: expected {USERNAME}", "invalid-username") from None


async def _asked(waited: Deferred[T]) -> T:
    """What the database answers; what it cannot, as an error for the peer."""
    try:
        return await waited
    except (UnknownUser, UnknownContact) as error:
        raise NotFound(str(error), error.code) from error
    except errors.UniqueViolation as error:
        raise Conflict("it is there already", "already-there") from error
    except errors.ForeignKeyViolation as error:
        raise Conflict("a user of it was removed meanwhile; ask again", "conflict") from error
    except errors.OutcomeUnknown as error:
        raise Unavailable(
            "the connection to the database was lost: look whether it was done, before it is "
            "tried again",
            "outcome-unknown",
        ) from error
    except (errors.ReadOnly, errors.DiskFull) as error:
        raise Unavailable(
            "the database takes no changes now; try again later", error.code
        ) from error
    except _BUSY as error:
        raise Unavailable(
            "the database is locked, or has too much to do; try again later", "database-busy"
        ) from error
    except _AWAY as error:
        raise Unavailable(
            "the database cannot be reached now; try again later", "database-away"
        ) from error


class ContactsService(Listening):
    """Listens when the tables are there.

    Args:
        shared: The reactor and the database.
        settings: Where to listen, and whether there are sample people.
    """

    def __init__(self, shared: Shared, settings: ContactsSettings) -> None:
        self._contacts = Contacts(shared.database)
        self._seed = settings.seed
        app = ContactsApi(self._contacts).app
        resource = JsonResource(shared.reactor, app, settings.handler_seconds)
        super().__init__(shared, LimitedSite(shared.reactor, resource, settings), settings)

    @deferred
    async def startService(self) -> None:
        """Make the tables, and listen.

        Raises:
            DatabaseError: They cannot be made.
            ListenFailed: The endpoint cannot be bound.
        """
        await self._contacts.prepare(self._seed)
        await super().startService()


def make(shared: Shared, settings: ContactsSettings) -> IService:
    """A web service of contacts that listens where the settings say."""
    return ContactsService(shared, settings)


SERVICE = Declaration(ContactsSettings, make)
