"""The built-in roles, from guest up to owner. Their ids are the same in every installation."""

from uuid import UUID

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# id, code, name, code of the parent, the role's own permissions
_ROLES: tuple[tuple[str, str, str, str | None, list[str]], ...] = (
    ("01a1fd44-bbf1-7480-93c7-933bc87d889c", "guest", "Guest", None, []),
    (
        "01a1fd44-bbf1-7480-93c7-933cef051095",
        "member",
        "Member",
        "guest",
        ["chat.user", "chat.tools.search", "chat.mode.switch", "memory.read", "memory.write"],
    ),
    (
        "01a1fd44-bbf1-7480-93c7-933d70cb078a",
        "admin",
        "Administrator",
        "member",
        ["chat.admin", "tenant.members"],
    ),
    ("01a1fd44-bbf1-7480-93c7-933e1d3f169f", "owner", "Owner", "admin", ["tenant.admin"]),
)


def create_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Role = apps.get_model("accounts", "Role")
    by_code = {}
    for role_id, code, name, parent, permissions in _ROLES:
        by_code[code] = Role.objects.create(
            id=UUID(role_id),
            code=code,
            name=name,
            parent=by_code.get(parent),
            permissions=permissions,
        )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
