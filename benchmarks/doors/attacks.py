"""Chat templates that attack: known ways out of Jinja's sandbox, and programs without end."""

from __future__ import annotations

import time
from typing import Any

from foretell.contracts.errors import DamagedModel
from foretell.decoding.chat import SECONDS, render_template

NAMES: dict[str, object] = {"messages": [{"role": "user", "content": "hi"}], "bos_token": "<s>"}
ESCAPES = (
    # CVE-2024-34359, llama-cpp-python: a template with no sandbox.
    "{% for x in ().__class__.__base__.__subclasses__() %}{% if 'warning' in x.__name__ %}"
    "{{ x()._module.__builtins__['__import__']('os').popen('id').read() }}{% endif %}{% endfor %}",
    # CVE-2024-56326: a reference to str.format that is called elsewhere.
    "{% set f = '{0.__class__.__mro__}'.format %}{{ f('') }}",
    "{{ ['']|map('{0.__class__}'.format)|list }}",
    "{{ '{x.__class__}'.format_map({'x': ''}) }}",
    # CVE-2025-27516: the |attr filter that fetches format.
    "{{ ('{0.__class__.__base__}'|attr('format'))('') }}",
    "{{ ('{x.__class__}'|attr('format_map'))({'x': ''}) }}",
    # CVE-2024-56201: names of files and of blocks that become code.
    "{% block \"x'+evil+'\" %}{% endblock %}",
    "{% from \"'+evil+'\" import x %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__']['__mro__'] }}",
    "{{ (''|attr('__class__'))|attr('__mro__') }}",
    "{{ [''] | map(attribute='__class__') | list }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].system('id') }}",
    "{{ raise_exception.__globals__ }}",
    "{{ strftime_now.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context.eval_ctx.environment }}",
    "{% macro m() %}{% endmacro %}{{ m.__init__.__globals__ }}",
    "{{ messages.append(1) }}",
    "{{ messages.clear() }}",
    "{{ messages[0].update({'role': 'system'}) }}",
    "{{ messages[0].pop('role') }}",
    "{% set messages[0]['role'] = 'system' %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends '/etc/passwd' %}",
)
ENDLESS = (
    "{{ range(10 ** 9) | list }}",
    "{{ 'a' * (10 ** 12) }}",
    "{{ 9 ** (9 ** 9) }}",
    "{{ ('%' ~ 10 ** 9 ~ 'd') % 1 }}",
    "{{ 'a'.ljust(10 ** 11) }}",
    "{{ 'a' | center(10 ** 11) }}",
    "{{ '{:>99999999999}'.format(1) }}",
    "{{ 'x' | indent(10 ** 11, true) }}",
    "{{ lipsum(n=10 ** 9) }}",
    "{{ 'a' | replace('a', 'a' * 10 ** 6) | replace('a', 'a' * 10 ** 6) }}",
    "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{{ m(n - 1) }}{{ m(n - 1) }}{% endmacro %}{{ m(90) }}",
    "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}"
    "{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}"
    "{% endfor %}{{ ns.x | length }}",
    "{{ 'a' * 10 ** 8 }}",
    "{{ '(' * 10 ** 4 }}{{" + "(" * 10_000 + "1" + ")" * 10_000 + "}}",
)
"""Each must be refused in time."""


def try_attacks() -> dict[str, Any]:
    """An escape may also write text that shows nothing; none may show a class, or take long."""
    odd: list[str] = []
    slowest = 0.0
    for template in (*ESCAPES, *ENDLESS):
        began = time.perf_counter()
        try:
            shown: str | None = render_template(template, NAMES)
        except DamagedModel as problem:
            shown = None
            if "\n" in str(problem):
                odd.append(template[:80])
        seconds = time.perf_counter() - began
        slowest = max(slowest, seconds)
        leaks = shown is not None and ("<class" in shown or "root:" in shown or "uid=" in shown)
        if leaks or (shown is not None and template in ENDLESS) or seconds > SECONDS + 1:
            odd.append(template[:80])
    tried = len(ESCAPES) + len(ENDLESS)
    return {"tried": tried, "odd": odd, "slowest_seconds": round(slowest, 2)}
