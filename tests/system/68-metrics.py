#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What docs/ says of metrics, held against what is exposed.

    68-metrics.py document METRICS.md PAGE…     every metric, its type and its labels, both ways
    68-metrics.py dashboard FILE PAGE…          every query of a Grafana dashboard; prints them as rules for promtool
    68-metrics.py rules FILE PAGE…              every metric named in a file of rules is exposed

PAGE is what a mount or a node has answered. Prints what does not fit, and exits 1 if anything does not.
"""
import json
import re
import sys

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"(?:,|$)')
NAMES = re.compile(r'\b(?:holdfast|process)_[a-z0-9_]+\b')
SUFFIXES = ('_bucket', '_sum', '_count')
wrong = []


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def base_of(name, types):
    """The metric that a sample is of."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and types.get(name[:-len(suffix)]) == 'histogram':
            return name[:-len(suffix)]
    return name


def exposed(pages):
    """name: (type, labels seen). Says what is not well-formed."""
    types, labels, helps = {}, {}, set()
    for page in pages:
        here = set()
        for line in read(page).splitlines():
            if line.startswith('# TYPE '):
                name, kind = line[7:].split(' ')
                if name in here:
                    wrong.append(f'{page}: {name} is there twice')
                here.add(name)
                if types.setdefault(name, kind) != kind:
                    wrong.append(f'{name} is a {kind} and a {types[name]}')
            elif line.startswith('# HELP '):
                helps.add(line[7:].split(' ')[0])
            else:
                m = SAMPLE.match(line)
                if not m:
                    wrong.append(f'{page}: not a sample: {line}')
                    continue
                base = base_of(m[1], types)
                found = LABEL.findall(m[2] or '')
                if LABEL.sub('', m[2] or ''):
                    wrong.append(f'{page}: labels: {line}')
                if base not in here:
                    wrong.append(f'{page}: {base} has no type')
                float(m[3])
                labels.setdefault(base, set()).update(set(found) - {'le'})
    for name in types:
        if name not in helps:
            wrong.append(f'{name} has no help')
    return {name: (types[name], labels.get(name)) for name in types}


def document(path, pages):
    there = exposed(pages)
    said = {}
    for row in re.findall(r'^\| `([a-z0-9_]+)` \| (\w+) \|([^|]*)\| (.+) \|$', read(path), re.M):
        if row[0] in said:
            wrong.append(f'{row[0]} is described twice')
        said[row[0]] = (row[1], set(re.findall(r'\w+', row[2])))
    for name in sorted(set(there) - set(said)):
        wrong.append(f'{name} is exposed, and not described')
    for name in sorted(set(said) - set(there)):
        wrong.append(f'{name} is described, and not exposed')
    for name in sorted(set(said) & set(there)):
        if said[name][0] != there[name][0]:
            wrong.append(f'{name} is a {there[name][0]}, and described as a {said[name][0]}')
        if there[name][1] is not None and there[name][1] != said[name][1]:
            wrong.append(f'{name} has labels {sorted(there[name][1])}, and is described with {sorted(said[name][1])}')
    if len(said) < 50:
        wrong.append(f'only {len(said)} metrics are described')


def named(text, there, where):
    types = {name: kind for name, (kind, _) in there.items()}
    names = NAMES.findall(text)
    for name in names:
        if base_of(name, types) not in types:
            wrong.append(f'{where}: there is no {name}')
    return names


def panels_of(panels):
    for panel in panels:
        yield panel
        yield from panels_of(panel.get('panels', []))


def dashboard(path, pages):
    there = exposed(pages)
    board = json.loads(read(path))
    ids, exprs = set(), []
    for panel in panels_of(board['panels']):
        if panel['id'] in ids:
            wrong.append(f'panel {panel["id"]} is there twice')
        ids.add(panel['id'])
        if panel['type'] != 'row' and not panel.get('targets'):
            wrong.append(f'{panel["title"]} asks nothing')
        for target in panel.get('targets', []):
            expr = target['expr']
            if not named(expr, there, panel['title']):
                wrong.append(f'{panel["title"]}: {expr} names no metric')
            for label in re.findall(r'\{\{ *(\w+) *\}\}', target.get('legendFormat', '')):
                known = set().union(*(there[base_of(n, {k: v[0] for k, v in there.items()})][1] or {label}
                                      for n in NAMES.findall(expr)))
                if label not in known | {'instance', 'job'}:
                    wrong.append(f'{panel["title"]}: {expr} has no label {label}')
            exprs.append(expr.replace('$__rate_interval', '5m').replace('$instance', '.*'))
    for variable in board['templating']['list']:
        named(json.dumps(variable), there, variable['name'])
    print('groups:\n- name: dashboard\n  rules:')
    for i, expr in enumerate(exprs):
        print(f'  - record: panel:query:{i}\n    expr: {json.dumps(expr)}')


def rules(path, pages):
    if not named(read(path), exposed(pages), path):
        wrong.append(f'{path} names no metric')


if __name__ == '__main__':
    {'document': document, 'dashboard': dashboard, 'rules': rules}[sys.argv[1]](sys.argv[2], sys.argv[3:])
    for words in wrong:
        print(words, file=sys.stderr)
    sys.exit(bool(wrong))
