"""The form of a file of compose/services/, as pydantic checks it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from compose.stack.service import Health, Image, Limits, Mount, Route, Service, Volume
from compose.stack.settings import SIZES

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,40}$")]


def _pinned(tag: str) -> str:
    if tag == "latest":
        raise ValueError("“latest” is no release; name one")
    return tag


Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"), AfterValidator(_pinned)]


class Form(BaseModel):
    """A section: an unknown field is a mistake. Numbers may stand where a text is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class ImageForm(Form):
    """`image`. A built image has no tag: it is the digest of its sources."""

    name: str
    tag: Tag = "built"
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None


class MountForm(Form):
    """One of `files`."""

    source: str
    target: str
    watched: bool = False


class VolumeForm(Form):
    """One of `volumes`."""

    name: Slug
    target: str
    owner: str | None = None


class HealthForm(Form):
    """`health`."""

    test: list[str] = Field(min_length=1)
    interval: int = Field(10, ge=1)
    timeout: int = Field(5, ge=1)
    retries: int = Field(3, ge=1)
    start_period: int = Field(30, ge=0)


class LimitsForm(Form):
    """`limits`."""

    cpus: str
    memory: str
    reserved_cpus: str | None = None
    reserved_memory: str | None = None
    pids: int = 512


class RouteForm(Form):
    """`route`."""

    port: int
    public: str | None = None
    internal: str | None = None
    health: str | None = None
    closed: list[str] = []
    files: list[str] = []
    bodies: dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = {}


class ServiceForm(Form):
    """A file of compose/services/."""

    title: str
    image: ImageForm
    build: Slug | None = None
    user: str | None = None
    command: list[str] = []
    entrypoint: list[str] = []
    env: dict[str, str] = {}
    secret_env: dict[str, str] = {}
    secrets: list[str] = []
    settings: dict[str, str] = {}
    files: list[MountForm] = []
    house: Literal["engine", "rag", "seed"] | None = None
    volumes: list[VolumeForm] = []
    tmpfs: list[str] = []
    read_only: bool = True
    shm_size: str | None = None
    health: HealthForm | None = None
    limits: LimitsForm
    networks: list[Literal["edge", "data", "models"]]
    aliases: list[str] = []
    depends_on: dict[str, Literal["healthy", "started", "completed"]] = {}
    route: RouteForm | None = None
    profile: Literal["langfuse", "litellm", "vllm"] | None = None
    rollout: Literal["replace", "beside"] = "replace"
    replicas: int = Field(1, ge=1)
    capabilities: list[str] = []
    job: bool = False
    backup: Annotated[str, StringConstraints(pattern=r"^(volume|dump):[a-z0-9_]+$")] | None = None
    stop_grace: int = 10
    stop_signal: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> ServiceForm:
        if self.build is None and self.image.tag == "built":
            raise ValueError("image: needs a tag")
        if not self.job and self.health is None:
            raise ValueError("health: is missing; only a job needs none")
        kind, _, name = (self.backup or "").partition(":")
        if kind == "volume" and name not in [volume.name for volume in self.volumes]:
            raise ValueError("backup: names no volume of the service")
        return self


def service_of(name: str, form: ServiceForm) -> Service:
    """The service that the form describes."""
    return Service(
        name=name,
        title=form.title,
        image=Image(**form.image.model_dump()),
        limits=Limits(**form.limits.model_dump()),
        build=form.build,
        user=form.user,
        command=tuple(form.command),
        entrypoint=tuple(form.entrypoint),
        env=form.env,
        secret_env=form.secret_env,
        secrets=tuple(sorted(form.secrets)),
        settings=form.settings,
        files=tuple(Mount(**one.model_dump()) for one in form.files),
        house=form.house,
        volumes=tuple(Volume(**one.model_dump()) for one in form.volumes),
        tmpfs=tuple(form.tmpfs),
        read_only=form.read_only,
        shm_size=form.shm_size,
        health=_health(form.health),
        networks=tuple(form.networks),
        aliases=tuple(form.aliases),
        depends_on=form.depends_on,
        route=_route(form.route),
        profile=form.profile,
        rollout=form.rollout,
        replicas=form.replicas,
        capabilities=tuple(form.capabilities),
        job=form.job,
        backup=form.backup,
        stop_grace=form.stop_grace,
        stop_signal=form.stop_signal,
    )


def _health(form: HealthForm | None) -> Health | None:
    return None if form is None else Health(**form.model_dump() | {"test": tuple(form.test)})


def _route(form: RouteForm | None) -> Route | None:
    if form is None:
        return None
    lists = {"closed": tuple(form.closed), "files": tuple(form.files)}
    return Route(**form.model_dump() | lists)


def of_size(written: Any, size: str) -> Any:
    """The values for a size: `{ small: 1g, gpu: 4g }` becomes one of the two, at any depth."""
    if isinstance(written, dict):
        if set(written) == set(SIZES):
            return written[size]
        return {key: of_size(value, size) for key, value in written.items()}
    return [of_size(one, size) for one in written] if isinstance(written, list) else written
