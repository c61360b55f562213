"""What a record of settings must not declare: names and defaults that no setting can have."""

from __future__ import annotations

from toolkit.conversion import Value, converted
from toolkit.fields import Field, fields_of
from toolkit.settings import Settings

_PLAIN = (str, int, float, bool, list, tuple, dict, type(None))


def problems_of(record: type[Settings]) -> list[str]:
    """What keeps a record from being a table, options and variables.

    Args:
        record: Anybody's.

    Returns:
        A line for each field that cannot be, with the reason.
    """
    try:
        fields = {field.name: field for field in fields_of(record)}
    except Exception as error:  # noqa: BLE001 - the annotations of anybody's record
        reason = f"{type(error).__name__}: {error}"
        return [f"the fields of {record.__name__} cannot be understood: {reason}"]
    problems = []
    for field in fields.values():
        problem = _of_name(field, fields) or _of_default(field)
        if problem:
            problems.append(f"{record.__name__}.{field.name} {problem}")
    return problems


def _of_name(field: Field, fields: dict[str, Field]) -> str:
    name = field.name
    flag = fields.get(name.removeprefix("no_"))
    secret = fields.get(name.removesuffix("_file"))
    what = ""
    if name == "kind":
        what = "a setting: in a file, kind says what a service is"
    elif len(name) == 1:
        what = f"an option: with one letter it would be a short one, -{name}"
    elif name in ("help", "version"):
        what = f"an option: every service has a --{name} of its own"
    elif name.startswith("_"):
        what = f"an option: it would be --{field.option}"
    elif name.startswith("no_") and flag is not None and flag.is_flag:
        what = f"an option: --{field.option} turns --{flag.option} off"
    elif name.endswith("_file") and secret is not None and secret.is_secret:
        what = f"a setting: beside the secret {secret.name}, it names the file to read that from"
    return f"cannot be {what}; give it another name" if what else ""


def _of_default(field: Field) -> str:
    # A default of a type of one's own is for its author to judge.
    if type(field.default) in _PLAIN:
        try:
            # Nor is what a check would say of it: that of an endpoint is slow to load.
            converted(field._replace(check=None), Value(field.default, "its default"))
        except ValueError as error:
            return f"has a default that it cannot have: {error}"
    return ""
