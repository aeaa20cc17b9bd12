"""With a verification key, only what the key's owner signed for this very version is served (S01)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.errors import ModelUnusable
from domain.package_tags import SIGNATURE_TAG, signed_text
from service.adapters.cryptography.ed25519 import Ed25519Signer, Ed25519Verifier
from service.serving.reloading import Guard
from tests.kit.signing_keys import key_pair
from tests.worlds.loading import Replica
from tests.worlds.registered_models import ModelShelf, Registered

Package = dict[str, bytes]


@dataclass
class Scene:
    """A server that asks for signatures and serves a signed model."""

    shelf: ModelShelf
    replica: Replica
    good: Registered
    package: Package
    ours: Ed25519Signer
    theirs: Ed25519Signer

    def signed(self, run_id: str, digest: str) -> str:
        return self.ours.sign(signed_text(self.shelf.model_name, run_id, digest))

    def by_another_key(self, run_id: str, digest: str) -> str:
        return self.theirs.sign(signed_text(self.shelf.model_name, run_id, digest))

    def of_another_model(self, run_id: str, digest: str) -> str:
        return self.ours.sign(signed_text(f"{self.shelf.model_name}-2", run_id, digest))

    def of_another_run(self, _: str, digest: str) -> str:
        return self.ours.sign(signed_text(self.shelf.model_name, "0" * 32, digest))

    def of_another_manifest(self, run_id: str, _: str) -> str:
        return self.ours.sign(signed_text(self.shelf.model_name, run_id, "0" * 64))

    def old(self, *_: str) -> str:
        """That of the version before."""
        return self.good.version.tags[SIGNATURE_TAG]

    def garbled(self, run_id: str, digest: str) -> str:
        return self.signed(run_id, digest)[:-4] + "????"

    def cut(self, run_id: str, digest: str) -> str:
        return self.signed(run_id, digest)[:40]


@pytest.fixture
async def scene(shelf: ModelShelf, packages: list[Package], tmp_path: Path) -> Scene:
    ours, theirs = (key_pair(tmp_path, name) for name in ("ours", "theirs"))
    replica = Replica(shelf, tmp_path / "cache", Ed25519Verifier(ours.public))
    signer = Ed25519Signer(ours.private)
    good = await shelf.register(
        packages[0],
        1,
        sign=lambda run_id, digest: signer.sign(signed_text(shelf.model_name, run_id, digest)),
    )
    await shelf.point(good)
    await replica.reloader.reload()
    return Scene(shelf, replica, good, packages[1], signer, Ed25519Signer(theirs.private))


SIGNATURES: Mapping[str, tuple[str, Callable[..., str] | None]] = {
    "missing": ("signature_missing", None),
    "by another key": ("signature_refused", Scene.by_another_key),
    "of another model": ("signature_refused", Scene.of_another_model),
    "of another run": ("signature_refused", Scene.of_another_run),
    "of another manifest": ("signature_refused", Scene.of_another_manifest),
    "old": ("signature_refused", Scene.old),
    "garbled": ("signature_refused", Scene.garbled),
    "cut": ("signature_refused", Scene.cut),
}


@pytest.mark.parametrize("case", SIGNATURES)
async def test_a_version_without_its_own_signature_is_refused(scene: Scene, case: str) -> None:
    reason, sign = SIGNATURES[case]
    before, answers = scene.replica.serving.model, scene.replica.answers()
    bad = await scene.shelf.register(
        scene.package, 2, sign=None if sign is None else lambda run_id, digest: sign(scene, run_id, digest)
    )
    await scene.shelf.point(bad)
    with pytest.raises(ModelUnusable) as refusal:
        await scene.replica.reloader.reload(Guard(2, bad.version.version))
    assert refusal.value.reason == reason
    assert scene.replica.serving.model is before
    assert scene.replica.answers() == answers


async def test_a_version_that_was_signed_is_served(scene: Scene) -> None:
    made = await scene.shelf.register(scene.package, 2, sign=scene.signed)
    await scene.shelf.point(made)
    await scene.replica.reloader.reload(Guard(2, made.version.version))
    assert scene.replica.served == (made.version.version, 2)


async def test_a_server_without_the_key_does_not_ask(scene: Scene, tmp_path: Path) -> None:
    made = await scene.shelf.register(scene.package, 2)
    await scene.shelf.point(made)
    easy = Replica(scene.shelf, tmp_path / "other-cache")
    await easy.reloader.reload()
    assert easy.served == (made.version.version, 2)
