"""What is sent in each scenario: a script beside this file, and what it is told."""

import dataclasses


@dataclasses.dataclass
class Scenario:
    what: str
    script: str
    settings: dict
    # Workers beside the API; without one, uploads are measured alone and their jobs wait.
    services: tuple = ()


def videos(users, megabytes, iterations):
    settings = {"VIDEO": f"video-{megabytes}.mp4", "USERS": users, "ITERATIONS": iterations}
    return Scenario(f"{users} × {megabytes} MB", "video.js", settings)


def gallery(script, what, count, iterations):
    settings = {"PHOTOS": f"photos-{count}", "COUNT": count, "ITERATIONS": iterations}
    return Scenario(what, script, settings, ("media-worker",))


SCENARIOS = {
    "one-user-9": videos(users=1, megabytes=9, iterations=20),
    "one-user-100": videos(users=1, megabytes=100, iterations=10),
    "five-users-9": videos(users=5, megabytes=9, iterations=50),
    "five-users-100": videos(users=5, megabytes=100, iterations=25),
    "phone-15": gallery("phone.js", "15 photos, 86 MB", count=15, iterations=10),
    "phone-30": gallery("phone.js", "30 photos, 200 MB", count=30, iterations=5),
    "tus-15": gallery("tus.js", "15 photos by tus", count=15, iterations=5),
    "mixed": Scenario("1000 mixed uploads", "mixed.js", {"ITERATIONS": 1000, "USERS": 4}, ("media-worker",)),
    "minute": Scenario("a minute of them", "mixed.js", {"DURATION": "60s", "USERS": 2}, ("media-worker",)),
}
# What `load` runs when no scenario is named: everything but the one that is background for other tests.
DEFAULT = [name for name in SCENARIOS if name != "minute"]
