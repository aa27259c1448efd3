"""The subcommands of ``qrobust``: ``add_arguments`` and ``run`` each, heavy imports inside."""
