"""Is a journal to be believed? Checks without the model, with it, and with an auditor's own key."""
