"""Who may import whom: the direction that keeps the domain free of its interfaces.

dns_records -> requests_tracker -> dnsorch base, and so for every further domain, of
which none knows another. The outer layer (API, admin, tasks,
commands, kafka_bridge, the embedded default) may use any of them; none of them uses
the outer layer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

from dnsorch.tests.packages import BRIDGE, DOMAINS, PACKAGES, ROOT

# The outer layer, by package or by the name of a part of the path.
OUTER_PACKAGES = (
    "dnsorch.bench",
    "dnsorch.celery",
    "dnsorch.embedded",
    "dnsorch.health",
    "dnsorch.worker",
    "kafka_bridge",
)
OUTER_PARTS = {"api", "admin", "tasks", "management", "urls"}
# Celery wants its app imported with the package that the settings are in.
LOADS_CELERY = "dnsorch"
# What an app must not import, its own place in the order being the reason.
FORBIDDEN = {
    "dnsorch": ("requests_tracker", *DOMAINS, BRIDGE),
    "requests_tracker": (*DOMAINS, BRIDGE),
    **{
        domain: (*(other for other in DOMAINS if other != domain), BRIDGE)
        for domain in DOMAINS
    },
}
# Pure decisions, and what would make them impure: a database, a network, a clock.
PURE = (
    "dns_records.coalesce",
    "dns_records.drafts",
    "dns_records.drift",
    "dns_records.explanation",
    "dns_records.images",
    "dns_records.names",
    "dns_records.plan",
    "dns_records.ptr",
    "dns_records.rdata",
    "dns_records.record_types",
    "dns_records.retry",
    "dns_records.rules",
    "dns_records.serials",
    "dns_records.strictness",
    "dns_records.validation",
    "dns_records.zone_files",
    "requests_tracker.settling",
    "requests_tracker.status",
)
IMPURE = ("asyncio", "celery", "httpx", "socket", "time", "dns.query", "dnsorch.clock")
DJANGO_IN_STATUS = "django.db.models.TextChoices"
# The environment is the settings' business. Exceptions: what only names the settings,
# secrets whose variables the settings cannot know, and the inheritance of processes.
READS_ENVIRONMENT = {
    "dnsorch.bench.__main__",
    "dnsorch.celery",
    "dnsorch.embedded.stack",
    "dnsorch.environment",
    "dnsorch.secrets.env",
    "dnsorch.serve",
    "dnsorch.wsgi",
}


def in_package(name: str, packages: tuple[str, ...] | set[str]) -> bool:
    """Say whether a dotted name is one of ``packages`` or inside one."""
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def is_outer(name: str) -> bool:
    """Say whether a module belongs to the outer layer."""
    return in_package(name, OUTER_PACKAGES) or bool(
        OUTER_PARTS & set(name.split(".")[1:])
    )


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of each module that is neither test nor migration."""
    trees = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if not {"tests", "migrations"} & set(parts):
                name = ".".join(parts).removesuffix(".__init__")
                trees[name] = ast.parse(path.read_text(encoding="utf-8"))
    return trees


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports, in functions too; types alone do not count."""
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(importer: str, forbidden: tuple[str, ...]) -> list[str]:
    """Return what ``importer`` imports from ``forbidden`` packages."""
    return [
        name for name in imports(modules()[importer]) if in_package(name, forbidden)
    ]


@pytest.mark.parametrize("app", FORBIDDEN)
def test_an_app_imports_only_what_is_below_it(app: str) -> None:
    found = {
        module: offences(module, FORBIDDEN[app])
        for module in modules()
        if in_package(module, {app}) and not is_outer(module)
    }
    assert {module: names for module, names in found.items() if names} == {}


def test_no_domain_module_imports_the_outer_layer() -> None:
    found = {
        module: [name for name in imports(tree) if is_ours(name) and is_outer(name)]
        for module, tree in modules().items()
        if not is_outer(module) and module != LOADS_CELERY
    }
    assert {module: names for module, names in found.items() if names} == {}


def test_no_module_needs_itself_to_be_imported() -> None:
    """Else it depends on who comes first whether they can be imported at all."""
    graph = {
        module: {
            found
            for name in imports_at_once(tree)
            if (found := ours(name)) and not in_package(module, {found})
        }
        for module, tree in modules().items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def imports_at_once(tree: ast.Module) -> Iterator[str]:
    """Yield what is imported with a module, not later by its functions."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    later = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
    }
    at_once = [node for node in ast.walk(tree) if id(node) not in later]
    yield from imports(ast.Module(at_once, []))  # type: ignore[arg-type]


def ours(name: str) -> str | None:
    """Return the module of ours that is imported as ``name``, or that has it."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


def test_nothing_imports_the_bench() -> None:
    bench = {"dnsorch.bench"}
    found = {
        module: offences(module, tuple(bench))
        for module in modules()
        if not in_package(module, bench)
    }
    assert {module: names for module, names in found.items() if names} == {}


def is_ours(name: str) -> bool:
    """Say whether a dotted name is in one of our packages."""
    return name.split(".")[0] in PACKAGES


def test_only_tasks_and_the_app_know_celery() -> None:
    # Tasks are sent by name; health and the stack ask whether the broker is there, and
    # the model of operator tasks knows the names of Celery's states.
    hints = {f"{domain}.services.wake" for domain in DOMAINS}
    senders = {*hints, "dnsorch.operator_tasks.services"}
    askers = {"dnsorch.health", "dnsorch.embedded.ready"}
    workers = {"dnsorch.celery", "dnsorch.worker"}
    allowed = {*workers, "dnsorch.operator_tasks.models", *senders, *askers}
    found = {
        module
        for module, tree in modules().items()
        if module.rpartition(".")[2] != "tasks"
        and any(in_package(name, {"celery"}) for name in imports(tree))
    }
    assert found <= allowed


def test_the_api_asks_no_name_server_and_queues_nothing() -> None:
    forbidden = ("dns_records.providers", "dns_records.tasks", "celery", "dns.query")
    found = {
        module: offences(module, forbidden)
        for module in modules()
        if "api" in module.split(".")
    }
    assert {module: names for module, names in found.items() if names} == {}


@pytest.mark.parametrize("package", PURE)
def test_pure_decisions_import_no_database_network_or_clock(package: str) -> None:
    pure = [module for module in modules() if in_package(module, {package})]
    assert pure, "the list of pure modules names one that is not there"
    for module in pure:
        impure = [
            name
            for name in imports(modules()[module])
            if in_package(name, IMPURE)
            or (in_package(name, {"django.db"}) and name != DJANGO_IN_STATUS)
        ]
        assert impure == [], module


def test_the_environment_is_read_by_the_settings_alone() -> None:
    readers = {
        module
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}
        or (isinstance(node, ast.ImportFrom) and node.module == "environ")
    }
    assert readers <= READS_ENVIRONMENT


@pytest.mark.parametrize(
    ("name", "outer"),
    [
        ("dns_records.api.v1.views", True),
        ("dns_records.management.commands.sweep", True),
        ("dns_records.tasks", True),
        ("dnsorch.embedded.seed", True),
        ("dnsorch.api.errors", True),
        ("kafka_bridge.client", True),
        ("dns_records.services.changes", False),
        ("dnsorch.exceptions", False),
    ],
)
def test_what_counts_as_the_outer_layer(name: str, outer: bool) -> None:
    assert is_outer(name) is outer


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import a.b
from c import d, e
if TYPE_CHECKING:
    from f import g
def h() -> None:
    from i import j
"""
    assert list(imports(ast.parse(source))) == ["a.b", "c.d", "c.e", "i.j"]
