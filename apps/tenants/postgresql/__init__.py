"""Django database backend (`ENGINE = "apps.tenants.postgresql"`)."""
