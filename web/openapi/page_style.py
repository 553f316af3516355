"""Looks and behaviour of the page: all of it in the page itself, nothing from elsewhere."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --paper: #ffffff; --shade: #f6f8fa; --link: #0550ae; --get: #0a5c2b; --post: #7a3e00;
  --put: #5a2ca0; --delete: #a40e26; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d;
  --paper: #0d1117; --shade: #161b22; --link: #79b8ff; --get: #56d364; --post: #f0a95a;
  --put: #c4a5f7; --delete: #ff9a92; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.2rem; }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
a { color: var(--link); } p { margin: .25rem 0; } .soft { color: var(--soft); }
input { width: 100%; margin: 1rem 0 0; padding: .5rem; font: inherit; color: inherit;
  background: var(--shade); border: 1px solid var(--line); border-radius: .4rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; }
summary { padding: .5rem .75rem; cursor: pointer; background: var(--shade);
  border-radius: .4rem; }
details > div { padding: 0 .75rem .75rem; overflow-x: auto; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
summary code { overflow-wrap: anywhere; }
pre { margin: .25rem 0; padding: .5rem .75rem; background: var(--shade); overflow-x: auto;
  border-radius: .4rem; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.method { font-weight: 700; } .get { color: var(--get); } .post { color: var(--post); }
.put { color: var(--put); } .delete { color: var(--delete); }
"""

SCRIPT: Final = """
const entries = [...document.querySelectorAll('details')];
const filter = document.getElementById('filter');
filter.addEventListener('input', () => {
  const words = filter.value.toLowerCase().split(/\\s+/);
  for (const each of entries) {
    const text = each.textContent.toLowerCase();
    each.hidden = !words.every((word) => text.includes(word));
  }
});
const show = () => {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.tagName !== 'DETAILS') return;
  named.hidden = false;
  named.open = true;
  named.scrollIntoView();
};
addEventListener('hashchange', show);
show();
"""
