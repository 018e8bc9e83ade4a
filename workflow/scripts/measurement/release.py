"""Whether what was found is the release that was named."""


def same_release(found, named):
    """Whether a version found is the one named: `2.13.0+cpu` is also `2.13.0`, but a build that is named must be that one."""
    return found is not None and named in (found, found.split("+")[0])
