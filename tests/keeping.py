"""A callback with a state, which checkpoints keep."""


class Keeps:
    """A callback whose state is a value."""

    def __init__(self, value):
        self.value = value

    def on_epoch_end(self, state):
        pass

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]
