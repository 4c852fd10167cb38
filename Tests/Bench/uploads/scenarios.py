"""What is measured: each a table."""

import dataclasses

from uploads.material import VIDEO_BYTES, PICTURE_BYTES, SMALL_VIDEO_BYTES, Load

TOLVA_PUT, TOLVA_FORM = "Tolva, PUT", "Tolva, multipart"
PEER_PUT, PEER_FORM = "FastAPI, PUT", "FastAPI, multipart"
WEBDAV = "nginx WebDAV, no hash or sync"
BARE, BARE_TWO = "bare C, synced", "bare C, two threads, no sync"
SHIPPED, COLLECTING = "behind the shipped nginx", "behind it with request buffering"

VIDEO, SMALL_VIDEO, USERS, NGINX = "video", "small-video", "users", "nginx"
BATCH, LARGE_BATCH, PICTURES = "batch", "large-batch", "pictures"
TOLVA_WAYS = [TOLVA_PUT, TOLVA_FORM]
NAMES = [VIDEO, SMALL_VIDEO, USERS, BATCH, LARGE_BATCH, PICTURES, NGINX]
PEERS = {PEER_PUT, PEER_FORM, WEBDAV, BARE, BARE_TWO}
EVERY_WAY = [TOLVA_PUT, TOLVA_FORM, PEER_PUT, PEER_FORM, WEBDAV, BARE]


@dataclasses.dataclass
class Scenario:
    title: str
    load: Load
    # Names, in the order of the table.
    contenders: list
    # Each run is compared with these of the same round.
    references: list
    # Of the rounds asked for: those that take long have fewer.
    share_of_rounds: float = 1

    def rounds(self, asked):
        return max(1, round(asked * self.share_of_rounds))

    def chosen(self, earlier, with_peers):
        """With each earlier build named after this one, and without the peers if they are left out."""
        contenders = []
        for name in self.contenders:
            if with_peers or name not in PEERS:
                contenders.append(name)
            if name in TOLVA_WAYS:
                contenders += (way_of(build, name) for build in earlier)
        references = [name for name in self.references if name in contenders]
        return dataclasses.replace(self, contenders=contenders, references=references)


def way_of(build, way):
    """What one of `TOLVA_WAYS` is called for a build."""
    return way.replace("Tolva", build)


def of(material):
    """By name."""
    video, picture = [material.video], [material.picture]
    batch = Load(material.photos[:15], 86_000_000 // 15, requests=2)
    form_ways = [TOLVA_FORM, PEER_FORM]
    return {
        VIDEO: Scenario(
            "100 MB, one user", Load(video, VIDEO_BYTES, requests=2),
            [*EVERY_WAY, BARE_TWO], [BARE, PEER_FORM]),
        SMALL_VIDEO: Scenario(
            "9 MB, one user", Load(video, SMALL_VIDEO_BYTES, requests=10),
            [*EVERY_WAY, BARE_TWO], [BARE, PEER_FORM], 0.6),
        USERS: Scenario(
            "25 × 100 MB by five users", Load(video, VIDEO_BYTES, requests=25, connections=5),
            EVERY_WAY, [BARE, PEER_FORM], 0.5),
        BATCH: Scenario("15 images, 86 MB, in one request", batch, form_ways, [PEER_FORM]),
        LARGE_BATCH: Scenario(
            "30 images, 200 MB, in one request", Load(material.photos, 200_000_000 // 30, requests=1),
            form_ways, [PEER_FORM], 0.6),
        PICTURES: Scenario(
            "20 KB by 16 clients", Load(picture, PICTURE_BYTES, requests=800, connections=16),
            [TOLVA_PUT, TOLVA_FORM, PEER_PUT, PEER_FORM], [PEER_FORM], 0.6),
        NGINX: Scenario(
            "100 MB with PUT, one user, directly and behind nginx", Load(video, VIDEO_BYTES, requests=2),
            [TOLVA_PUT, SHIPPED, COLLECTING], [TOLVA_PUT]),
    }
