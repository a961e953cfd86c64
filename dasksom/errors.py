"""What dasksom raises: one family, so that a caller can catch all of it and nothing else."""


class DasksomError(Exception):
    """Base of every error that dasksom raises on purpose; its text is meant for the person at the keyboard."""

    exit_code = 1


class InputError(DasksomError, ValueError):
    """What was given (a path, a value, an array) cannot be used: found, accepted, and the way out."""

    exit_code = 2


class DeadlyTaskError(DasksomError):
    """Workers died, one after another, at the same task: it crashes them, or needs more memory than there is."""


class InputTypeError(InputError, TypeError):
    """An array that holds no numbers; scikit-learn's conventions want a TypeError for it."""
