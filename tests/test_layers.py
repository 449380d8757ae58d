"""What docs/design.md says about the layers of the package is what its imports say."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "edaphos_bridge"


def stated_layers() -> dict[str, int]:
    """Each module of the design's list with its line, 0 at the top."""
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    block = design.split("## Layers", 1)[1].split("```", 2)[1]
    layers: dict[str, int] = {}
    for line, text in enumerate(block.strip().splitlines()):
        names = text.split("#")[0].strip()
        folder, names = names.split("/ ") if "/ " in names else ("", names)
        for name in names.split(", "):
            module = f"{folder}/{name}".lstrip("/").replace("/", ".")
            assert module not in layers, f"{module} is named twice"
            layers[module] = line
    return layers


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edaphos_bridge"):
            source = (node.module or "").removeprefix("edaphos_bridge").lstrip(".")
            found |= {f"{source}.{alias.name}".lstrip(".") for alias in node.names} | {source}
    return found & set(known)


def test_the_design_names_every_module_and_no_other() -> None:
    assert set(stated_layers()) == set(modules())


def test_a_module_imports_only_from_its_own_line_and_the_lines_below() -> None:
    layers, known = stated_layers(), modules()
    upward = [
        f"{module} imports {other}"
        for module, path in sorted(known.items())
        for other in sorted(imports(path, known))
        if layers[other] < layers[module]
    ]
    assert upward == []
