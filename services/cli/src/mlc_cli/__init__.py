"""The `mlc` command. Holds no logic that a service needs; finds the services by their entry points."""
