"""Property tests judge what the mapper answers, not how fast a busy machine is."""

from hypothesis import settings

settings.register_profile("mapper", deadline=None)
settings.load_profile("mapper")
