"""Check rendered manifests: ``check_manifests.py KUBERNETES_VERSION FILE``.

Each object against the schema of its kind (those of Kubernetes come with the package
kubernetes-validate; a Route's is below, after OpenShift's route/v1), then what no
schema says: the rules of restricted-v2, no secret values, references that hit.
``deploy/check`` runs it with its own virtualenv.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate
import yaml

Manifest = dict[str, Any]

POD_KINDS = ("Deployment", "Job")
SECRETS = {"dnsorch", "dnsorch-backends"}
ROUTE = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["to"],
            "properties": {
                "host": {"type": "string", "pattern": r"^[a-z0-9.-]+$"},
                "path": {"type": "string", "pattern": "^/"},
                "wildcardPolicy": {"enum": ["None", "Subdomain"]},
                "to": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["kind", "name"],
                    "properties": {
                        "kind": {"const": "Service"},
                        "name": {"type": "string"},
                        "weight": {"type": "integer", "minimum": 0, "maximum": 256},
                    },
                },
                "port": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["targetPort"],
                    "properties": {"targetPort": {"type": ["string", "integer"]}},
                },
                "tls": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["termination"],
                    "properties": {
                        "termination": {"enum": ["edge", "passthrough", "reencrypt"]},
                        "insecureEdgeTerminationPolicy": {
                            "enum": ["None", "Allow", "Redirect"]
                        },
                    },
                },
            },
        }
    },
}


def name_of(manifest: Manifest) -> str:
    """Return ``Kind/name``, for what is said about it."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def schema_faults(manifest: Manifest, version: str) -> Iterator[str]:
    """Yield what the schema of its kind has against a manifest."""
    try:
        if manifest["kind"] == "Route":
            jsonschema.validate(manifest, ROUTE)
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    except jsonschema.ValidationError as error:
        where = "/".join(map(str, error.absolute_path))
        yield f"{name_of(manifest)}: {where}: {error.message}"


def pod_faults(manifest: Manifest) -> Iterator[str]:
    """Yield where a pod would be refused by restricted-v2, or asks for too much."""
    pod = manifest["spec"]["template"]["spec"]
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or "runAsUser" in context:
        yield "runAsNonRoot without runAsUser: OpenShift chooses the user"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "seccompProfile is RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is false"
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for volume in volumes.values():
        if secret := volume.get("secret", {}).get("secretName"):
            if secret not in SECRETS:
                yield f"secret {secret} is not one of {sorted(SECRETS)}"
    for container in pod["containers"]:
        yield from container_faults(container, set(volumes))


def container_faults(container: Manifest, volumes: set[str]) -> Iterator[str]:
    """Yield the same for one container of a pod that has ``volumes``."""
    if container.get("securityContext") != {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }:
        yield "the container's securityContext is that of restricted-v2"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        if set(resources.get(kind, {})) != {"cpu", "memory"}:
            yield f"{kind} of cpu and memory"
    if ":" not in container["image"].rpartition("/")[2]:
        yield f"image {container['image']} has no tag"
    if "env" in container:
        yield "settings are in the ConfigMap, secrets in files"
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    if mounted != volumes:
        yield f"volumes {sorted(volumes)}, mounted {sorted(mounted)}"


def reference_faults(manifests: list[Manifest]) -> Iterator[str]:
    """Yield selectors that select nothing and references to what is not there."""
    pods = [
        manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in manifests
        if manifest["kind"] in POD_KINDS
    ]
    names = {name_of(manifest) for manifest in manifests}
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector: dict[str, str] = {}
        if manifest["kind"] == "Service":
            selector = spec["selector"]
        elif manifest["kind"] in ("PodDisruptionBudget", "Deployment"):
            selector = spec["selector"]["matchLabels"]
        elif manifest["kind"] == "NetworkPolicy":
            selector = spec["podSelector"].get("matchLabels", {})
        if not any(selector.items() <= labels.items() for labels in pods):
            yield f"{name_of(manifest)}: selects no pod"
        target = {}
        if manifest["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
        elif manifest["kind"] == "Route":
            target = spec["to"]
        if target and f"{target['kind']}/{target['name']}" not in names:
            yield f"{name_of(manifest)}: its target is not there"


def faults(manifests: list[Manifest], version: str) -> Iterator[str]:
    """Yield all that is wrong, a line each."""
    for manifest in manifests:
        if manifest["kind"] == "Secret":
            yield f"{name_of(manifest)}: secrets are not kept here"
        yield from schema_faults(manifest, version)
        if manifest["kind"] in POD_KINDS:
            for fault in pod_faults(manifest):
                yield f"{name_of(manifest)}: {fault}"
    yield from reference_faults(manifests)


def main(version: str, path: str) -> int:
    """Check one file; return the exit code."""
    with Path(path).open() as file:
        manifests = [each for each in yaml.safe_load_all(file) if each]
    found = list(faults(manifests, version))
    for fault in found:
        print(fault, file=sys.stderr)
    namespace = manifests[0]["metadata"].get("namespace", "-")
    print(f"{namespace}: {len(manifests)} objects, {len(found)} faults")
    return 1 if found or not manifests else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
