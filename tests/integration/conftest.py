from fixtures import *  # noqa: F403 - pytest finds fixtures in this module's names.
