"""The built-in roles, from guest up to owner. Their ids are the same in every installation."""

from django.db import migrations

_ROLES = """
INSERT INTO accounts_role (id, tenant_id, code, name, parent_id, permissions) VALUES
    ('01a1fd44-bbf1-7480-93c7-933bc87d889c', NULL, 'guest', 'Guest', NULL, '{}'),
    ('01a1fd44-bbf1-7480-93c7-933cef051095', NULL, 'member', 'Member',
        '01a1fd44-bbf1-7480-93c7-933bc87d889c',
        '{chat.user,chat.tools.search,chat.mode.switch,memory.read,memory.write}'),
    ('01a1fd44-bbf1-7480-93c7-933d70cb078a', NULL, 'admin', 'Administrator',
        '01a1fd44-bbf1-7480-93c7-933cef051095', '{chat.admin,tenant.members}'),
    ('01a1fd44-bbf1-7480-93c7-933e1d3f169f', NULL, 'owner', 'Owner',
        '01a1fd44-bbf1-7480-93c7-933d70cb078a', '{tenant.admin}')
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(_ROLES, migrations.RunSQL.noop)]
