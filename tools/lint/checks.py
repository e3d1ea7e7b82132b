"""How each own rule finds its violations. What the rules mean stands in `rules.py`."""

import ast
import re
from collections.abc import Iterator

from tools.lint.source import FunctionNode, SourceFile, keyword_names, terminal

Hit = tuple[int, str]  # line, what is wrong there

GETTEXT = re.compile(r"(_|[dnp]{0,2}gettext(_lazy|_noop)?)$")
NOT_A_ROW = re.compile(r"(form|formset|serializer|session|store|image|workbook)$", re.IGNORECASE)
SAVES_NEW = frozenset({"update_fields", "force_insert", "commit", "must_create", "**"})
TENANT_NAME = re.compile(r"(^|_)tenant$")
REDIS_NAME = re.compile(r"(^|_)(redis|valkey|pipe|pipeline|redis_client|async_redis)$")
REDIS_COMMAND = re.compile(
    r"append|(de|in)crby?|delete|evalsha|exists|p?expire|p?ttl|publish|subscribe|unlink"
    r"|(get|set)(del|set|ex|nx)?|psetex|mget"
    r"|h(get|getall|incrby|set)|l(len|pop|push|range)|r(pop|push)"
    r"|s(add|ismember|members|rem)|x(ack|add|del|len|range|read|revrange|trim)"
    r"|z(add|card|range|rangebyscore|rem)"
)
HTTP_CLIENTS = frozenset(
    {"aiohttp", "http.client", "httpx", "httpx2", "requests", "urllib.request"}
)
OWN_PACKAGES = frozenset({"apps", "celery_app", "karen_site", "tests", "tools"})
THREADS = frozenset({"threading.Thread", "threading.Timer"})
EXECUTORS = frozenset(
    {
        "concurrent.futures.ThreadPoolExecutor",
        "concurrent.futures.thread.ThreadPoolExecutor",
        "concurrent.futures.ProcessPoolExecutor",
        "multiprocessing.pool.ThreadPool",
    }
)


def bare_save(source: SourceFile) -> Iterator[Hit]:
    """`row.save()` that writes every column of a row that was read before."""
    for call in source.calls():
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "save" or call.args:
            continue
        receiver = call.func.value
        if keyword_names(call) & SAVES_NEW:
            continue
        if NOT_A_ROW.search(terminal(receiver)) or _constructed_here(source, call, receiver):
            continue
        yield call.lineno, "writes every column and undoes what others wrote: name update_fields"


def _constructed_here(source: SourceFile, call: ast.Call, receiver: ast.expr) -> bool:
    function = source.function_of(call)
    if not isinstance(receiver, ast.Name):
        return isinstance(receiver, ast.Call) and _is_constructor(receiver)
    return any(
        isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Call)
        and _is_constructor(node.value)
        and receiver.id in _target_names(node)
        for node in ast.walk(function or source.tree)
    )


def _is_constructor(call: ast.Call) -> bool:
    name = terminal(call.func)
    return name[:1].isupper() or name in {"model", "model_class"}


def _target_names(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def tenant_switch(source: SourceFile) -> Iterator[Hit]:
    """Any way to change the tenant other than `tenant_scope`."""
    message = "sets the schema behind the scope's back: use apps.core.scope.tenant_scope"
    for node in source.nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=receiver)):
                switches = name.startswith("set_schema") or name == "set_tenant"
                activates = name in {"activate", "deactivate"} and TENANT_NAME.search(
                    terminal(receiver)
                )
                if switches or activates:
                    yield node.lineno, message
            case ast.With(items=items) | ast.AsyncWith(items=items):
                for item in items:
                    value = item.context_expr
                    if isinstance(value, ast.Name | ast.Attribute) and TENANT_NAME.search(
                        terminal(value)
                    ):
                        yield value.lineno, message
            case ast.Name() | ast.Attribute():
                if terminal(node) in {"schema_context", "tenant_context"}:
                    yield node.lineno, message
            case _:
                pass


def bare_thread(source: SourceFile) -> Iterator[Hit]:
    """Threads and executors that would run without the caller's context."""
    message = "loses tenant, actor and correlation id: use apps.core.concurrency or context.run"
    for call in source.calls():
        name = source.dotted(call.func)
        starts = name in THREADS or terminal(call.func) == "run_in_executor"
        arguments = [*call.args, *(item.value for item in call.keywords)]
        if name in EXECUTORS or (starts and not any(map(_is_context_run, arguments))):
            yield call.lineno, message


def _is_context_run(node: ast.expr) -> bool:
    if not (isinstance(node, ast.Attribute) and node.attr == "run"):
        return False
    owner = terminal(node.value)
    return owner == "copy_context" or owner.endswith(("context", "ctx"))


def gettext_fstring(source: SourceFile) -> Iterator[Hit]:
    """Translatable text that is assembled before it is looked up."""
    for call in source.calls():
        if GETTEXT.match(terminal(call.func)) and any(map(_is_assembled, call.args)):
            yield call.lineno, "no catalogue holds assembled text: translate first, then fill in"


def _is_assembled(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr() | ast.BinOp():
            return True
        case ast.Call(func=ast.Attribute(attr="format")):
            return True
        case _:
            return False


def environ(source: SourceFile) -> Iterator[Hit]:
    """Configuration read outside the one typed place."""
    for node in source.nodes:
        if not isinstance(node, ast.Name | ast.Attribute):
            continue
        if source.dotted(node) not in {"os.environ", "os.getenv", "os.putenv"}:
            continue
        if not _names_entry_point(source, node):
            yield node.lineno, "configuration is read once, in karen_site/env.py: use settings"


def _names_entry_point(source: SourceFile, node: ast.AST) -> bool:
    """Whether a program says which settings and which role it starts with."""
    attribute = source.parents.get(node)
    call = source.parents.get(attribute) if attribute is not None else None
    if not isinstance(call, ast.Call) or not call.args or terminal(call.func) != "setdefault":
        return False
    name = call.args[0]
    return isinstance(name, ast.Constant) and name.value in {"DJANGO_SETTINGS_MODULE", "KAREN_ROLE"}


def raw_redis_key(source: SourceFile) -> Iterator[Hit]:
    """A Redis command whose key was not made by `core.keys`."""
    for call in source.calls():
        if not isinstance(call.func, ast.Attribute) or not REDIS_COMMAND.fullmatch(call.func.attr):
            continue
        if REDIS_NAME.search(terminal(call.func.value)) and any(map(_is_raw_key, call.args[:1])):
            yield call.lineno, "a key without its tenant: build it with apps.core.keys"


def _is_raw_key(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_raw_key(left) or _is_raw_key(right)
        case _:
            return False


def sleeping_test(source: SourceFile) -> Iterator[Hit]:
    """A test that waits for time instead of for what it expects."""
    for call in source.calls():
        name = source.dotted(call.func)
        yields = [argument for argument in call.args if _is_zero(argument)]
        if name == "time.sleep" or (name in {"asyncio.sleep", "anyio.sleep"} and not yields):
            yield call.lineno, "tests wait for an event with a deadline, not for time to pass"


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def edge_query(source: SourceFile) -> Iterator[Hit]:
    """A view, consumer or task that talks to the ORM by itself."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "objects":
            yield node.lineno, "edges translate: call a selector or a service"


def function_import(source: SourceFile) -> Iterator[Hit]:
    """An import inside a function: it hides a cycle or a cost."""
    for node in source.nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        function = source.function_of(node)
        if function is None or _is_ready(source, function):
            continue
        if _imported(node) & OWN_PACKAGES:
            yield node.lineno, "imports of our own stand on top: this hides a cycle"
        elif not any(map(_is_reason, _comments_at(source, node))):
            yield node.lineno, "imports stand on top; an optional package needs a comment why not"


def _comments_at(source: SourceFile, node: ast.stmt) -> list[str]:
    lines = [node.lineno - 1, *range(node.lineno, (node.end_lineno or node.lineno) + 1)]
    return [source.comments[line] for line in lines if line in source.comments]


def _is_reason(comment: str) -> bool:
    said = re.sub(r"#\s*(noqa|type:)[^#]*", "", comment)
    return len(said.split()) > 2


def _is_ready(source: SourceFile, function: FunctionNode) -> bool:
    around = source.parents.get(function)
    return (
        function.name == "ready"
        and isinstance(around, ast.ClassDef)
        and any(terminal(base).endswith("Config") for base in around.bases)
    )


def outbound_http(source: SourceFile) -> Iterator[Hit]:
    """An HTTP client that would not check where it connects to."""
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and _imported(node) & HTTP_CLIENTS:
            yield node.lineno, "apps.core.http is the only outbound client (SSRF)"


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The dotted names an absolute import may mean, and the package they come from."""
    names = {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        names = {f"{node.module}.{name}" for name in names} | {str(node.module)}
        if node.level:
            return set(OWN_PACKAGES)
    return names | {name.partition(".")[0] for name in names}


def broad_except(source: SourceFile) -> Iterator[Hit]:
    """`except Exception` swallows the bugs that tests and operators must see."""
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            yield node.lineno, "catch what you expect; the rest must be seen (style C15)"


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_is_broad, kind.elts))
    return kind is None or terminal(kind) in {"Exception", "BaseException"}


def type_ignore_reason(source: SourceFile) -> Iterator[Hit]:
    """`# type: ignore[code]` without a word why."""
    for line, comment in source.comments.items():
        if re.match(r"#\s*type:\s*ignore(\[[\w\-, ]+\])?\s*$", comment):
            yield line, "say why: `# type: ignore[code]  # reason`"


def todo_issue(source: SourceFile) -> Iterator[Hit]:
    """A TODO that nobody owns."""
    for line, comment in source.comments.items():
        if re.search(r"\b(TODO|FIXME|XXX)\b", comment) and not re.search(r"#\d+", comment[1:]):
            yield line, "name the issue: `TODO(#12): …`, or do it"


def mark_safe(source: SourceFile) -> Iterator[Hit]:
    """Text declared safe by hand."""
    for call in source.calls():
        if terminal(call.func) in {"mark_safe", "SafeString", "SafeText"}:
            yield call.lineno, "use format_html, or sanitise and give the reason"


def provider_branch(source: SourceFile) -> Iterator[Hit]:
    """A decision by a provider's name, which belongs into its adapter or profile."""
    message = "facts about providers are profiles; wire formats are adapters"
    for node in source.nodes:
        if (
            isinstance(node, ast.Compare)
            and re.search(r"(^|_)provider(_name)?$", terminal(node.left))
            and any(map(_names_something, node.comparators))
        ):
            yield node.lineno, message


def _names_something(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(_names_something, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
