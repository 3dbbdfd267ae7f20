"""LiteLLM's `model_list` as the sections of a maitre.yaml, and a list of what could not be carried over. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

from maitre.errors import HouseError
from provisioning.litellm_providers import PROVIDERS, split

#: What of `litellm_params` and `model_info` has a place here, or none that matters.
PARAMS = {"model", "api_base", "base_url", "api_key", "rpm", "tpm", "weight", "order", "custom_llm_provider",
          "api_version", "input_cost_per_token", "output_cost_per_token"}  # fmt: skip
INFO = {"id", "mode", "max_tokens", "max_input_tokens", "max_output_tokens", "input_cost_per_token", "base_model",
        "output_cost_per_token", "supports_function_calling", "litellm_provider", "description"}  # fmt: skip

#: Where the config names a variable that is not set here.
UNKNOWN = "http://unknown.invalid/v1"


@dataclass(slots=True)
class Imported:
    """The sections; the secrets they need, and the keys that the config itself holds; what is left, in sentences."""

    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    prices: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)  # where each comes from, by name
    keys: dict[str, str] = field(default_factory=dict, repr=False)  # by name of the secret
    left: list[str] = field(default_factory=list)

    def sections(self) -> dict[str, Any]:
        """Those that hold anything, as they stand in a maitre.yaml."""
        sections: dict[str, Any] = {"providers": self.providers}
        if self.models:
            sections["models"] = self.models
        return {**sections, "prices": {"version": "litellm-import", "models": self.prices}}


@dataclass(slots=True)
class _Deployment:
    """One entry of the `model_list`."""

    public: str
    provider: str
    params: Mapping[str, Any]
    info: Mapping[str, Any]
    form: dict[str, Any]
    id: str = ""


def imported(config: object, environment: Mapping[str, str]) -> Imported:
    """A parsed config.yaml, carried over. `environment`: where addresses that are `os.environ/NAME` are looked up.
    Raises HouseError when it is no config of LiteLLM's."""
    if not isinstance(config, Mapping) or not isinstance(config.get("model_list"), list):
        raise HouseError("This is no LiteLLM config: it has no list `model_list`.")
    made = Imported()
    entries = [_deployment(entry, environment, made) for entry in config["model_list"]]
    deployments = [one for one in entries if one is not None]
    groups: dict[str, list[_Deployment]] = {}
    for one in sorted(deployments, key=_rank):  # stable: as written, where the config tells no order
        groups.setdefault(one.public, []).append(one)
    instead = _fallbacks(config, groups, made)
    for public, group in groups.items():
        _name(public, group, alone=len(group) == 1 and public not in instead, made=made)
    for public, group in groups.items():
        further = [one.id for name in instead.get(public, ()) for one in groups[name]]
        if further or len(group) > 1:
            made.models[public] = {"use": list(dict.fromkeys([one.id for one in group] + further))}
        if len({one.params.get("weight") for one in group}) > 1:
            made.left.append(f"{public}: its weights became an order, the heaviest first.")
    _aliases(config, groups, made)
    made.left += [
        f"{name}: not carried over."
        for name in config
        if name not in ("model_list", "router_settings", "litellm_settings")
    ]
    return made


def _deployment(entry: object, environment: Mapping[str, str], made: Imported) -> _Deployment | None:
    params, info = _mapping(_mapping(entry).get("litellm_params")), _mapping(_mapping(entry).get("model_info"))
    public, model = str(_mapping(entry).get("model_name") or ""), params.get("model")
    if not public or not isinstance(model, str) or not model:
        made.left.append("An entry without model_name or litellm_params.model was passed over.")
        return None
    word, upstream = split(model, params.get("custom_llm_provider"))
    if "*" in public + model:
        made.left.append(f"{public}: wildcards are not carried over; every model needs an entry.")
        return None
    if word not in PROVIDERS:
        made.left.append(f"{public}: there is no adapter for “{word}”.")
        return None
    mode = str(info.get("mode") or "chat")
    if mode not in ("chat", "embedding"):
        made.left.append(f"{public}: “{mode}” is not served; only chat and embedding are.")
        return None
    form = _form(upstream, mode, params, info)
    rest = sorted(str(name) for name in [*(params.keys() - PARAMS), *(info.keys() - INFO)])
    if rest:
        made.left.append(f"{public} ({model}): {', '.join(rest)}.")
    return _Deployment(public, _provider(word, public, params, environment, made), params, info, form)


def _form(upstream: str, mode: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the model in maitre.yaml."""
    form: dict[str, Any] = {"upstream": upstream}
    context = info.get("max_input_tokens")
    if isinstance(context, int) and context > 0:
        form["context"] = context
    if info.get("supports_function_calling") is False:
        form["tools"] = False
    if mode == "embedding":
        form["embedding"] = True
    windows = {"requests_per_minute": params.get("rpm"), "tokens_per_minute": params.get("tpm")}
    limits = {name: int(value) for name, value in windows.items() if isinstance(value, int | float) and value >= 0}
    return {**form, "limits": limits} if limits else form


def _provider(word: str, public: str, params: Mapping[str, Any], environment: Mapping[str, str], made: Imported) -> str:
    """The name of the provider, made if none has the same address and key yet."""
    known = PROVIDERS[word]
    base_url = _address(word, public, params, environment, made) or known.base_url
    if not base_url:
        base_url = UNKNOWN
        made.left.append(f"{public}: no api_base; write the address into its provider's base_url.")
    secret = _secret(word, params.get("api_key"), "" if params.get("api_base") else known.key, made)
    section = {"kind": known.kind, "base_url": base_url} | ({"api_key": f"secret:{secret}"} if secret else {})
    name = _free(re.sub(r"[^a-z0-9-]+", "-", word.lower()), made.providers, section)
    made.providers.setdefault(name, {**section, "models": {}})
    return name


def _address(word: str, public: str, params: Mapping[str, Any], environment: Mapping[str, str], made: Imported) -> str:
    base = str(params.get("api_base") or params.get("base_url") or "")
    if base.startswith("os.environ/"):
        variable = base.removeprefix("os.environ/")
        base = environment.get(variable, "")
        if not base:
            made.left.append(f"{public}: its address is in {variable}, which is not set here.")
            return UNKNOWN
    base = base.rstrip("/")
    if word == "azure" and base and not base.endswith("/openai/v1"):
        return f"{base}/openai/v1"  # the API that speaks OpenAI's own, without api-version
    return base


def _secret(word: str, key: object, usual: str, made: Imported) -> str:
    """The name of the secret that the key is put into; empty where there is no key."""
    if isinstance(key, str) and key and not key.startswith("os.environ/"):
        name = next((name for name, known in made.keys.items() if known == key), "")
        if not name:
            name = _free(f"{_low(word)}_key", made.secrets, None)
            made.keys[name], made.secrets[name] = key, "the config itself"
        return name
    variable = str(key or "").removeprefix("os.environ/") or usual
    if variable:
        made.secrets.setdefault(_low(variable), f"the variable {variable}")
    return _low(variable)


def _low(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def _free(name: str, taken: Mapping[str, Any], section: Mapping[str, Any] | None) -> str:
    """The name, or with the first number after it that is free, or that has this very section."""
    for number in range(1, len(taken) + 2):
        tried = name if number == 1 else f"{name}-{number}" if section is not None else f"{name}_{number}"
        if tried not in taken:
            return tried
        if section is not None and {key: value for key, value in taken[tried].items() if key != "models"} == section:
            return tried
    raise AssertionError("one more than there are is always free")


def _rank(one: _Deployment) -> tuple[float, float]:
    """Lower `order` first, then the heavier."""
    order, weight = one.params.get("order"), one.params.get("weight")
    return (
        order if isinstance(order, int | float) else float("inf"),
        -weight if isinstance(weight, int | float) else 0.0,
    )


def _name(public: str, group: Iterable[_Deployment], *, alone: bool, made: Imported) -> None:
    """Give every deployment its id: the public name where that stands for it alone."""
    taken = {id for section in made.providers.values() for id in section["models"]}
    for one in group:
        wanted = public if alone else f"{public}-{one.provider}"
        tries = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
        one.id = next(id for id in tries if id not in taken)
        taken.add(one.id)
        made.providers[one.provider]["models"][one.id] = one.form
        price = {name: _price(one, f"{name}_cost_per_token") for name in ("input", "output")}
        if any(value != "0" for value in price.values()):
            made.prices[one.id] = price


def _price(one: _Deployment, field: str) -> str:
    """Of a million tokens."""
    told = one.info.get(field, one.params.get(field)) or 0
    try:
        value = (Decimal(str(told)) * 10**6).normalize()
    except InvalidOperation:
        return "0"
    return f"{value:f}" if value.is_finite() and value > 0 else "0"


# ── what stands instead of a model, and its other names ──────────────────────────────────────────────────


def _fallbacks(
    config: Mapping[str, Any], groups: Mapping[str, list[_Deployment]], made: Imported
) -> dict[str, list[str]]:
    """The public names that are asked instead of one, in order."""
    instead: dict[str, list[str]] = {}
    for place in ("litellm_settings", "router_settings"):
        settings = _mapping(config.get(place))
        written = settings.get("fallbacks")
        for one in written if isinstance(written, list) else ():
            for public, names in _mapping(one).items():
                known = [name for name in names if name in groups] if isinstance(names, list) else []
                if public in groups and known:
                    instead.setdefault(str(public), []).extend(known)
        rest = sorted(str(name) for name in settings.keys() - {"fallbacks", "model_group_alias"})
        if rest:
            made.left.append(f"{place}: {', '.join(rest)}.")
    return instead


def _aliases(config: Mapping[str, Any], groups: Mapping[str, list[_Deployment]], made: Imported) -> None:
    for alias, written in _mapping(_mapping(config.get("router_settings")).get("model_group_alias")).items():
        target = str(_mapping(written).get("model") or written)
        if target in groups and str(alias) not in groups:
            made.models[str(alias)] = {"use": list(made.models.get(target, {}).get("use", [groups[target][0].id]))}
        else:
            made.left.append(f"router_settings.model_group_alias: {alias} stands for nothing that was carried over.")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
