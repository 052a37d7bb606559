"""A class on a JupyterHub: the values fit the chart, the sizes what was measured, the links what nbgitpuller reads."""

import copy
import re
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml
from conftest import ROOT
from repo2docker.__main__ import get_argparser

VALUES = yaml.safe_load((ROOT / ".binder/jupyterhub.yaml").read_text("utf-8"))
PAGE = (ROOT / "chapters/run-it-yourself.md").read_text("utf-8")


def table(required: str = "", **keys) -> dict:
    return {"type": "object", "additionalProperties": False, "required": required.split(), "properties": keys}


def of(*kinds: str) -> dict:
    return {"type": list(kinds)}


SWITCH = table("enabled", enabled=of("boolean"))
# The keys that we use, with the types that the chart's own schema (jupyterhub/values.schema.yaml of
# zero-to-jupyterhub-k8s, main branch of 2026) gives them. Like it, this refuses a key that it does not know.
CHART = table(
    singleuser=table(
        image=table("name tag", name=of("string"), tag=of("string")),
        defaultUrl=of("string", "null"),
        memory=table(guarantee=of("number", "string", "null"), limit=of("number", "string", "null")),
        cpu=table(guarantee=of("number", "null"), limit=of("number", "null")),
        storage=table("type homeMountPath", type={"enum": ["dynamic", "static", "none"]}, homeMountPath=of("string"),
                      capacity=of("string", "null")),
        startTimeout=of("integer", "null"),
        extraEnv={"type": ["object", "array"], "additionalProperties": of("string")},
        networkPolicy=table(enabled=of("boolean"), egressAllowRules=table(privateIPs=of("boolean"))),
    ),
    hub=table(config={"type": "object"}),
    prePuller=table("hook continuous", hook=SWITCH, continuous=SWITCH),
    scheduling=table(userScheduler=SWITCH, podPriority=table(enabled=of("boolean")),
                     userPlaceholder=table(enabled=of("boolean"), replicas=of("integer"))),
    cull=table("enabled", enabled=of("boolean"), timeout=of("integer", "null"), every=of("integer", "null"),
               maxAge=of("integer", "null")),
)


def test_the_values_fit_the_chart():
    jsonschema.validate(VALUES, CHART)


@pytest.mark.parametrize("path, value", [
    (("singleuser", "memory", "guaranteed"), "640M"),
    (("singleuser", "cpu", "limit"), "2"),
    (("singleuser", "storage", "type"), "pvc"),
    (("cull", "timeout"), "1h"),
    (("prePuller", "hook", "enabled"), "yes"),
])
def test_a_value_that_the_chart_would_refuse_is_refused(path, value):
    values = copy.deepcopy(VALUES)
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, CHART)


def test_nothing_secret_is_in_the_values():
    assert not re.search(r"(?i)secret|password|token|admin", yaml.safe_dump(VALUES))


def megabytes(text: str) -> int:
    return int(re.fullmatch(r"(\d+)M", text)[1])


def test_the_sizes_are_those_of_the_page():
    memory, cpu = VALUES["singleuser"]["memory"], VALUES["singleuser"]["cpu"]
    peak, kernel, server = (int(re.search(pattern, PAGE)[1]) for pattern in
                            (r"peak (\d+);", r"to (\d+) MB, at its peak", r"holds some (\d+)\."))
    assert peak + server <= megabytes(memory["guarantee"]) and f"promised {megabytes(memory['guarantee'])} MB" in PAGE
    assert 3 * kernel + server <= megabytes(memory["limit"])
    assert 180 < 300 * megabytes(memory["guarantee"]) / 1000 < 200 and 28 < 300 * cpu["guarantee"] < 32
    assert f"{VALUES['scheduling']['userPlaceholder']['replicas']}" == "30" and "thirty places" in PAGE
    assert VALUES["cull"]["timeout"] == 3600 and "touched for an hour" in PAGE


def test_repo2docker_understands_the_command():
    command = re.search(r"jupyter-repo2docker (--.*?) \.\n", PAGE, re.DOTALL)[1].replace("\\\n", " ").split()
    asked = get_argparser().parse_args([*command, "."])
    image = VALUES["singleuser"]["image"]
    assert asked.push and not asked.run and asked.image_name == f"{image['name']}:{image['tag']}"
    assert (asked.user_id, asked.user_name) == (1000, "jovyan")
    assert VALUES["singleuser"]["storage"]["homeMountPath"] == f"/home/{asked.user_name}"


def test_the_link_for_students_pulls_the_notebooks_and_opens_one():
    link = urlsplit(re.search(r"https://HUB\S+", PAGE)[0])
    asked = {name: value for name, [value] in parse_qs(link.query, strict_parsing=True).items()}
    assert link.path == "/hub/user-redirect/git-pull"
    home = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"]
    folder, _, file = asked.pop("urlpath").removeprefix("lab/tree/").partition("/")
    assert asked == {"repo": home, "branch": "notebooks", "targetPath": folder}
    assert (ROOT / "chapters" / file.replace(".ipynb", ".md")).exists()
    assert "nbgitpuller==" in (ROOT / ".binder/requirements.txt").read_text("utf-8")  # what answers /git-pull
