"""A simulated xAI: files, pictures and videos, as xai-api.md sections 4 to 9 describe them, with a ledger of charges.

Plain Python without sockets; it shares no code with the sandbox or with the client. What it keeps and bills is always
true; what it *shows* may lag, be short or be a passing 404, as the options say (see `listings.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.model.batches import Batches
from tests.model.listings import Listings, StoredFile
from tests.model.messages import TEAMS, Request, Response, answered, refused
from tests.model.world import World

#: Ticks of one picture (2.0, low, 1k), and of one video (1.5, 480p, 8 s).
PICTURE, VIDEO = 400_000_000, 6_400_000_000
#: Ticks of a source picture.
SOURCE_PRICE = 100_000_000
#: Seconds for which the link of a result lives.
LINK_LIFE = 86_400.0


@dataclass
class Job:
    """A paid request that was accepted, and what comes of it.

    :param content: what was asked for: the prompt.
    :param ends: unix seconds of its end.
    :param outcome: done, moderated or failed; decided when it is accepted.
    :param ticks: what is charged for it.
    :param stored: ids of the files that it made.
    :param not_stored: numbers of the results that could not be stored.
    :param rescued: numbers of those that a task uploaded itself.
    :param end_told: unix seconds at which a task was first told that it had come to nothing.
    """

    id: str
    kind: str
    key: str
    team: str
    sender: str
    content: str
    count: int
    name: str
    storage: dict[str, Any]
    accepted: float
    ends: float
    outcome: str
    ticks: int
    deferred: bool
    stored: list[str] = field(default_factory=list)
    not_stored: list[int] = field(default_factory=list)
    rescued: set[int] = field(default_factory=set)
    end_told: float | None = None

    @property
    def has_result(self) -> bool:
        """Whether it makes something that was wanted."""
        return self.outcome == "done"


def media(kind: str, name: str) -> bytes:
    """The smallest whole picture or video that says which result it is.

    :param kind: image or video.
    :param name: the result.
    """
    told = f"|{name}|".encode()
    if kind == "image":
        return b"\xff\xd8\xff\xda\x00\x02" + told + b"\xff\xd9"
    return b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + (8 + len(told)).to_bytes(4, "big") + b"moov" + told


class Server:
    """One xAI with two teams.

    :param world: its time and chances.
    """

    def __init__(self, world: World) -> None:
        self.world, self.options = world, world.options
        self.files = Listings(world)
        self.batches = Batches(world, self.files)
        self.jobs: dict[str, Job] = {}
        self._open: list[Job] = []

    def answer(self, request: Request) -> Response:
        """Answer a request.

        :param request: the request.
        """
        self.work()
        if request.path.startswith("https://"):
            return self._link(request)
        if request.key not in TEAMS:
            return refused(400, "invalid-argument", "Incorrect API key provided: xai-***. You can find it at console.")
        return self._route(request)(request)

    def _route(self, request: Request) -> Callable[[Request], Response]:
        parts = request.path.strip("/").split("/")
        if request.path in ("/images/generations", "/images/edits", "/videos/generations"):
            return self._make
        if request.path == "/files":
            return self._upload if request.method == "POST" else self.files.page
        if parts[0] == "files":
            return self.files.share if parts[-1] == "public-url" else self.files.one
        if parts[0] in ("images", "videos"):
            return self._poll
        if parts[0].partition(":")[0] == "batches":
            return self.batches.answer
        table: dict[str, Callable[[Request], Response]] = {
            "/api-key": self._key,
            "/me": self._key,
            "/image-generation-models": self._image_models,
            "/video-generation-models": lambda request: answered(200, {"models": []}),
        }
        if request.path in table:
            return table[request.path]
        return lambda request: refused(404, "not-found", f"{request.path} is not known")

    # -- account ------------------------------------------------------------------------------------------------------

    def _key(self, request: Request) -> Response:
        team = TEAMS[request.key]
        return answered(200, {"redacted_api_key": "xai-...", "team_id": team, "api_key_id": request.key[-9:]})

    def _image_models(self, request: Request) -> Response:
        if self.options.price_list == "none":
            return refused(404, "not-found", "no such list")
        if self.options.price_list == "page":
            return Response(404, b"<html>not here</html>", "text/html")
        price = 0 if self.options.price_list == "zero" else PICTURE
        tier = {"quality": "low", "resolution": "1k", "price_per_image": price}
        model = {"id": "grok-imagine-image-2.0", "aliases": [], "max_prompt_length": 1024, "pricing": [tier]}
        return answered(200, {"models": [model]})

    # -- pictures and videos ------------------------------------------------------------------------------------------

    def _make(self, request: Request) -> Response:
        kind = "image" if request.path.startswith("/images") else "video"
        if kind == "image" and self.options.deferred == "refused" and "deferred" in request.body:
            return refused(400, "invalid-argument", "Argument not supported: deferred")
        source = (request.body.get("image") or {}).get("file_id")
        if source and not self.files.is_usable(source, TEAMS[request.key]):
            return refused(404, "not-found", f"File {source} not found")
        if self.world.chance("safety check", self.options.moderated / 3):
            return refused(403, "permission-denied", "Content violates usage guidelines. SAFETY_CHECK_TYPE_X")
        job = self._accept(request, kind)
        if kind == "video" or (request.body.get("deferred") and self.options.deferred == "taken"):
            return answered(200, {"request_id": job.id})
        return self._at_once(job)

    def _accept(self, request: Request, kind: str) -> Job:
        count = int(request.body.get("n") or 1)
        storage = dict(request.body.get("storage_options") or {})
        outcome = self._outcome()
        price = (PICTURE if kind == "image" else VIDEO) * count + (SOURCE_PRICE if "image" in request.body else 0)
        if self.options.cheaper and self.world.random("price").random() < 0.5:
            price = price * 3 // 4
        job = Job(
            id=f"{kind}-job-{len(self.jobs) + 1}",
            kind=kind,
            key=request.key,
            team=TEAMS[request.key],
            sender=request.sender,
            content=str(request.body.get("prompt")),
            count=count,
            name=str(storage.get("filename", "")),
            storage=storage,
            accepted=self.world.now,
            ends=self.world.now + self._seconds(),
            outcome=outcome,
            ticks=0 if outcome in ("failed", "moderated-unbilled") else price,
            deferred=bool(request.body.get("deferred")) or kind == "video",
        )
        self.jobs[job.id] = job
        self._open.append(job)
        self.world.note("xai", f"accepts {job.id} ({job.content}) for {job.sender}, {job.ticks} ticks, as {job.name}")
        return job

    def _outcome(self) -> str:
        if self.world.chance("moderation", self.options.moderated):
            return self.world.random("moderation").choice(("moderated", "moderated", "moderated-unbilled"))
        return "failed" if self.world.chance("failing", self.options.failing) else "done"

    def _seconds(self) -> float:
        least, most = self.options.job_seconds
        seconds = self.world.random("seconds").uniform(least, most)
        return seconds * 12 if self.world.chance("slow job", self.options.slow_job) else seconds

    def work(self) -> None:
        """Finish the jobs whose time has come."""
        self.batches.work()
        for job in [job for job in self._open if job.ends <= self.world.now]:
            self._open.remove(job)
            if job.has_result:
                self._store(job)
            self.world.note("xai", f"{job.id} is {job.outcome}: {', '.join(job.stored) or 'nothing stored'}")

    def _store(self, job: Job) -> None:
        for number in range(job.count):
            if self.world.chance("storage error", self.options.storage_error) or not job.name:
                job.not_stored.append(number)
                continue
            file = self.files.add(job.team, job.name, job.ends, job.storage.get("expires_after"), job.id)
            job.stored.append(file.id)
            if job.storage.get("public_url") and not self.world.chance("link error", self.options.link_error):
                self.files.link(file, job.storage["public_url"])

    def _at_once(self, job: Job) -> Response:
        took = job.ends - self.world.now
        self._open.remove(job)
        if job.outcome == "done":
            self._store(job)
        self.world.note("xai", f"{job.id} is {job.outcome} at once: {', '.join(job.stored) or 'nothing stored'}")
        if job.outcome.startswith("moderated"):
            usage = {"usage": {"cost_in_usd_ticks": job.ticks}}
            return answered(
                400,
                {
                    "code": "imagine:content-moderated",
                    "error": "Generated image rejected by content moderation",
                    **usage,
                },
                seconds=took,
                ended=job.id,
            )
        if job.outcome == "failed":
            return answered(500, {"code": "internal-error", "error": "failed"}, seconds=took)
        return answered(200, self._result(job), seconds=took)

    def _poll(self, request: Request) -> Response:
        job = self.jobs.get(request.path.rpartition("/")[2])
        missing = refused(404, "not-found", "The request was not found.")
        if job is None or job.key != request.key:
            return missing
        age = self.world.now - job.accepted
        start, length = self.options.job_404
        if length and not self.world.calm and start <= age < start + length:
            return missing
        if age < self.options.poll_400 and not self.world.calm:
            return refused(400, "invalid-argument", "The request is not ready.")
        if job.ends > self.world.now:
            return answered(202, {"status": "pending", "progress": int(99 * age / (job.ends - job.accepted))})
        if job.outcome == "done":
            return answered(200, {"request_id": job.id, "status": "done", **self._result(job)})
        return self._failure(job)

    def _failure(self, job: Job) -> Response:
        usage = {"usage": {"cost_in_usd_ticks": job.ticks}}
        if job.outcome == "failed":
            error = {"code": "internal_error", "message": "Something broke."}
            return answered(200, {"request_id": job.id, "status": "failed", "error": error, **usage}, ended=job.id)
        error = {"code": "invalid_argument", "message": "Rejected by content moderation."}
        return answered(200, {"request_id": job.id, "status": "failed", "error": error, **usage}, ended=job.id)

    def _result(self, job: Job) -> dict[str, Any]:
        stored = iter(job.stored)
        assets = [self._asset(job, n, None if n in job.not_stored else next(stored)) for n in range(job.count)]
        usage = {"usage": {"cost_in_usd_ticks": job.ticks}}
        return {"data": assets, **usage} if job.kind == "image" else {"video": {**assets[0], "duration": 8}, **usage}

    def _asset(self, job: Job, number: int, file_id: str | None) -> dict[str, Any]:
        link = f"https://imgen.x.ai/{job.id}-{number}.{'jpeg' if job.kind == 'image' else 'mp4'}"
        shown: dict[str, Any] = {"url": link, "respect_moderation": True}
        if file_id is None:
            return {**shown, "storage_error": "Failed to store the file."}
        file = self.files.stored[file_id]
        output: dict[str, Any] = {"file_id": file.id, "filename": file.name, "expires_at": file.expires_at}
        if file.public_url:
            output |= {"public_url": file.public_url, "public_url_expires_at": file.public_url_expires_at}
        elif job.storage.get("public_url"):
            output["public_url_error"] = "Public URL creation timed out."
        return {**shown, "file_output": output}

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _link(self, request: Request) -> Response:
        if row := self.batches.row_of_link(request.path):
            return Response(200, media("image", f"{row.id}-0"), "image/jpeg")
        named = request.path.rpartition("/")[2].partition(".")[0]
        job = self.jobs.get(named.rpartition("-")[0])
        if job is None or not job.has_result or self.world.now > job.ends + LINK_LIFE:
            return Response(404, b"", "text/plain")
        return Response(200, media(job.kind, named), "image/jpeg" if job.kind == "image" else "video/mp4")

    def _upload(self, request: Request) -> Response:
        told = request.content.split(b"|")
        named = told[1].decode() if len(told) == 3 else ""
        job_id, _, number = named.rpartition("-")
        if job := self.jobs.get(job_id):
            job.rescued.add(int(number))
        team = TEAMS[request.key]
        file = self.files.add(team, request.filename, self.world.now, request.expires_after, job_id)
        file.content = request.content
        self.world.note("xai", f"stores {file.id} as {file.name}, uploaded by {request.sender}")
        return answered(200, file.shown())

    def team_of(self, key: str) -> str:
        """Whose a key is; empty for one that is nobody's."""
        return TEAMS.get(key, "")

    def stored_files(self, job: Job) -> list[StoredFile]:
        """The files that hold what a job made, whether they are still there or not."""
        return [file for file in self.files.stored.values() if file.job_id == job.id]
