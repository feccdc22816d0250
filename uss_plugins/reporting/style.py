"""The style that all reports share: colours for light and dark, type, figures. No script."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --ink: #1d2024; --soft: #5f656d; --rule: #e3e0da; --panel: #ffffff;
  --first: #1f66b5; --second: #d68a1f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131518; --ink: #e9e7e3; --soft: #9aa1a9; --rule: #2b2f35; --panel: #1a1d21;
    --first: #6aa9f2; --second: #e8ae5a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3.5rem 1.75rem 5rem; max-width: 1056px;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
header p, .note, figcaption { color: var(--soft); }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -0.02em; font-weight: 650; margin: 0 0
  .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; letter-spacing: -0.01em; font-weight: 650; margin: 3.75rem 0 .4rem; }
h3 { font-size: 1rem; font-weight: 650; margin: 0; }
p { max-width: 46rem; margin: 0 0 1rem; }
.kicker { font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; margin: 0 0 .5rem; }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(13.5rem, 1fr)); gap: 1px;
  margin: 2.25rem 0 1.25rem; background: var(--rule); border: 1px solid var(--rule);
  border-radius: 8px; overflow: hidden; }
.headline div { background: var(--panel); padding: 1.1rem 1.25rem 1.2rem; display: flex;
  flex-direction: column; }
.headline dt { font-size: .9rem; color: var(--soft); }
.headline dd { margin: auto 0 0; padding-top: .3rem; font-size: 2.1rem; line-height: 1.2; font-weight: 600;
  letter-spacing: -0.02em; }
.headline dd small { font-size: 1rem; font-weight: 400; letter-spacing: 0; color: var(--soft); }
.headline dd span { display: block; font-size: .9rem; font-weight: 400; letter-spacing: 0;
  color: var(--soft); }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; font-size: .9rem; color: var(--soft);
  margin: .75rem 0 .5rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--ink); font-size: 13.5px; font-family: inherit; }
svg text.tick { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--rule); }
svg .zero, svg .tickmark { stroke: var(--soft); }
.scroll { overflow-x: auto; }
.scale { display: inline-block; width: 9rem; height: .7rem; border-radius: 2px; margin: 0 .5rem; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; font-size:
.9rem; } dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; overflow-wrap: anywhere; }
"""
