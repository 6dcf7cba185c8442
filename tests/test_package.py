"""The package as a whole: what it tells Airflow is true, its layers hold, its operators can be templated."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

import airflow_provider_grok
from airflow_provider_grok import get_provider_info

ROOT = Path(airflow_provider_grok.__file__).parent
INFO: dict[str, Any] = get_provider_info()  # type: ignore[no-untyped-call]

#: What each part of the package may import of the package itself, beside itself.
MAY_IMPORT = {
    "api": set[str](),
    "flows": {"api"},
    "hooks": {"flows", "api"},
    "triggers": {"hooks", "flows", "api"},
    "operators": {"triggers", "hooks", "flows", "api", "links"},
    "sensors": {"triggers", "hooks", "flows", "api", "operators", "links"},
    "links": set[str](),
    "sandbox": set[str](),
    "demo": {"api", "sandbox", "cli"},
    "cli": {"demo", "sandbox", "ui", "hooks", "flows", "api"},
    "ui": {"hooks", "api"},
}


def modules(part: str) -> list[Path]:
    return sorted((ROOT / part).rglob("*.py")) if (ROOT / part).is_dir() else [ROOT / f"{part}.py"]


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_imported(file: Path) -> set[str]:
    """The parts of the package that a file imports; the package itself, for its version, is none."""
    inside = (name.split(".") for name in imports(file) if name.startswith("airflow_provider_grok."))
    return {words[1] for words in inside} - {"__version__", "get_provider_info"}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_point_one_way(part: str) -> None:
    for file in modules(part):
        foreign = parts_imported(file) - {part}
        assert foreign <= MAY_IMPORT[part], f"{file.relative_to(ROOT)} imports {foreign - MAY_IMPORT[part]}"


def test_every_part_of_the_package_has_a_rule() -> None:
    parts = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert parts - {"__init__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("part", ["api", "sandbox"])
def test_neither_the_api_nor_the_sandbox_knows_airflow(part: str) -> None:
    for file in modules(part):
        foreign = [name for name in imports(file) if name.split(".")[0] == "airflow"]
        assert not foreign, f"{file.relative_to(ROOT)} imports {foreign}"


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports(ROOT / "__init__.py")) == []
    for file in set(ROOT.rglob("*/__init__.py")) - {ROOT / "cli/__init__.py"}:
        assert file.read_text() == "", f"{file} is not empty"


def test_the_entry_point_of_the_command_loads_nothing_before_it_is_called() -> None:
    code = (
        "import sys, typing, __future__; before = set(sys.modules); from airflow_provider_grok.cli import main;"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['airflow_provider_grok', 'airflow_provider_grok.cli']"


def test_asking_for_the_provider_info_loads_no_other_module() -> None:
    code = (
        "import sys; before = set(sys.modules); import airflow_provider_grok as package; package.get_provider_info();"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['airflow_provider_grok']"


@pytest.mark.parametrize("schema", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_airflow_accepts_the_provider_info(schema: str) -> None:
    rules = json.loads((Path(airflow.__file__).parent / schema).read_text())
    # The schema of a source tree asks for what only a source tree has.
    missing = {name: _sample(rules["properties"][name]) for name in rules.get("required", []) if name not in INFO}
    jsonschema.validate(INFO | missing, rules)


def _sample(rule: dict[str, Any]) -> Any:
    return rule["enum"][0] if "enum" in rule else {"array": [], "integer": 1, "string": "", "object": {}}[rule["type"]]


def test_the_provider_info_names_this_distribution_and_its_version() -> None:
    assert INFO["package-name"] == "airflow-provider-grok"
    assert INFO["versions"][0] == airflow_provider_grok.__version__ == version("airflow-provider-grok")


def named_modules() -> list[str]:
    entries = [entry for kind in ("hooks", "operators", "sensors", "triggers") for entry in INFO[kind]]
    return [module for entry in entries for module in entry["python-modules"]]


@pytest.mark.parametrize("module", named_modules())
def test_a_named_module_can_be_imported(module: str) -> None:
    import_module(module)


def test_every_integration_that_is_referred_to_is_described() -> None:
    entries = [entry for kind in ("hooks", "operators", "sensors", "triggers") for entry in INFO[kind]]
    assert {entry["integration-name"] for entry in entries} <= {one["integration-name"] for one in INFO["integrations"]}


def test_every_module_with_operators_or_sensors_is_named() -> None:
    found = {cls.__module__ for cls in operators()}
    assert found <= set(named_modules())


def test_the_named_classes_exist() -> None:
    for path in [*INFO["extra-links"], INFO["connection-types"][0]["hook-class-name"]]:
        module, _, name = path.rpartition(".")
        assert isinstance(getattr(import_module(module), name), type), path


def test_the_connection_form_agrees_with_the_hook() -> None:
    from airflow_provider_grok.hooks.grok import GrokHook

    (kind,) = INFO["connection-types"]
    assert (kind["connection-type"], kind["hook-name"]) == (GrokHook.conn_type, GrokHook.hook_name)


def operators() -> list[type[Any]]:
    """Every operator and sensor that users name."""
    classes = []
    for folder in ("operators", "sensors"):
        for file in sorted((ROOT / folder).glob("[a-z]*.py")):
            module = import_module(f"airflow_provider_grok.{folder}.{file.stem}")
            found = inspect.getmembers(module, inspect.isclass)
            classes += [cls for name, cls in found if cls.__module__ == module.__name__ and _public(name)]
    return classes


def _public(name: str) -> bool:
    bases = ("GrokOperator", "GrokFileOperator", "GrokMakeOperator")
    return name.startswith("Grok") and name.endswith(("Operator", "Sensor")) and name not in bases


def _init_parameters(cls: type[Any]) -> set[str]:
    """The names that the constructors of a class and its bases take."""
    inits = (base.__dict__.get("__init__") for base in cls.__mro__ if base is not object)
    return {name for init in inits if init for name in inspect.signature(init).parameters}


@pytest.mark.parametrize("cls", operators(), ids=lambda cls: str(cls.__name__))
def test_a_template_field_is_an_argument_kept_as_given(cls: type[Any]) -> None:
    assert isinstance(cls.template_fields, tuple)
    assert len(set(cls.template_fields)) == len(cls.template_fields)
    assert "grok_conn_id" in cls.template_fields
    assert set(cls.template_fields) <= _init_parameters(cls)
    given = {name: f"{{{{ {name} }}}}" for name in cls.template_fields}
    required = {
        name: "value"
        for base in cls.__mro__
        if (init := base.__dict__.get("__init__")) and base.__module__.startswith("airflow_provider_grok")
        for name, parameter in inspect.signature(init).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    }
    task = cls(task_id="task", **{**required, **given})
    assert {name: getattr(task, name) for name in given} == given


@pytest.mark.parametrize("cls", operators(), ids=lambda cls: str(cls.__name__))
def test_all_own_arguments_are_keyword_only_and_described(cls: type[Any]) -> None:
    own = [base for base in cls.__mro__ if base.__module__.startswith("airflow_provider_grok")]
    described = "\n".join(inspect.getdoc(base) or "" for base in own)
    for base in own:
        if init := base.__dict__.get("__init__"):
            for name, parameter in list(inspect.signature(init).parameters.items())[1:]:
                assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD), f"{base.__name__}({name})"
                assert name == "kwargs" or f":param {name}:" in described, f"{base.__name__}({name}) is not described"


def test_airflow_lists_the_provider_its_connection_and_its_links() -> None:
    code = """
import json
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
hook = manager.hooks["grok"]
print(json.dumps({
    "version": manager.providers["airflow-provider-grok"].version,
    "hook": [hook.hook_name, hook.package_name, hook.connection_id_attribute_name],
    "links": sorted(link for link in manager.extra_links_class_names if "grok" in link),
    "triggers": sorted(one.trigger_class_name for one in manager.trigger if "grok" in one.package_name),
}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["version"] == airflow_provider_grok.__version__
    assert seen["hook"] == ["xAI Grok", "airflow-provider-grok", "grok_conn_id"]
    assert seen["links"] == sorted(INFO["extra-links"])
    assert seen["triggers"] == ["airflow_provider_grok.triggers.jobs"]
    assert "grok" not in done.stderr.lower(), "no warnings of Airflow about the provider"


def test_the_distribution_registers_provider_command_and_fixture() -> None:
    names = {(one.group, one.value) for one in distribution("airflow-provider-grok").entry_points}
    assert names >= {
        ("airflow.plugins", "airflow_provider_grok.ui.plugin:GrokPlugin"),
        ("apache_airflow_provider", "airflow_provider_grok:get_provider_info"),
        ("console_scripts", "airflow_provider_grok.cli:main"),
        ("pytest11", "airflow_provider_grok.sandbox.pytest_plugin"),
    }


def test_every_example_says_what_it_costs() -> None:
    examples = sorted((ROOT.parent / "example_dags").glob("*.py"))
    assert len(examples) >= 7
    for file in examples:
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
        assert "Cost: " in text and "$" in text, f"{file.name} does not say what it costs"


@pytest.mark.parametrize("folder", ["files", "purchases"])
def test_flows_are_handed_what_is_airflows(folder: str) -> None:
    for file in sorted((ROOT / "flows" / folder).rglob("*.py")):
        foreign = [name for name in imports(file) if name.split(".")[0] == "airflow"]
        assert not foreign, f"{file.relative_to(ROOT)} imports {foreign}"


#: Layers without circles between their files; imports that only a type checker reads count too.
NO_CIRCLES = ("api", "flows", "hooks", "operators", "sensors", "triggers", "links")


def _imported_on_load(file: Path) -> Iterator[str]:
    """Modules of the package that a file names in imports outside functions."""
    bodies = [ast.parse(file.read_text(encoding="utf-8")).body]
    while bodies:
        for node in bodies.pop():
            if isinstance(node, ast.If | ast.Try):
                bodies += [node.body, node.orelse]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_grok"):
                yield str(node.module)
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_there_are_no_circles_between_files() -> None:
    files = {
        ".".join(file.relative_to(ROOT.parent).with_suffix("").parts): file
        for part in NO_CIRCLES
        for file in modules(part)
        if file.name != "__init__.py"
    }
    left = {name: {one for one in _imported_on_load(file) if one in files} for name, file in files.items()}
    while free := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert left == {}
