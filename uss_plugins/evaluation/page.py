"""The report's page: its style and its frame. No script, nothing loaded from elsewhere."""

from __future__ import annotations

from string import Template

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --ink: #1d2024; --soft: #5f656d; --rule: #e3e0da; --panel: #ffffff;
  --bank: #1f66b5; --oracle: #d68a1f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131518; --ink: #e9e7e3; --soft: #9aa1a9; --rule: #2b2f35; --panel: #1a1d21;
    --bank: #6aa9f2; --oracle: #e8ae5a;
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
.headline .bank dt::before, .headline .oracle dt::before, .key i { content: ""; display:
inline-block;
  width: .7em; height: .7em; border-radius: 2px; margin-right: .45em; background: var(--bank); }
.headline .oracle dt::before, .key i.oracle { background: var(--oracle); }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; font-size: .9rem; color: var(--soft);
  margin: .75rem 0 .5rem; }
.key i.line { width: 0; height: 1em; border-radius: 0; background: none; vertical-align: -.15em;
  border-left: 1.5px dashed var(--ink); }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--ink); font-size: 13.5px; font-family: inherit; }
svg text.first { font-weight: 600; } svg text.second { fill: var(--soft); }
svg text.tick { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--rule); }
svg .zero, svg .tickmark { stroke: var(--soft); }
svg .mean { stroke: var(--ink); stroke-width: 1.25; stroke-dasharray: 5 4; }
svg rect.bank { fill: var(--bank); } svg rect.oracle { fill: var(--oracle); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .38rem .55rem; text-align: right; font-weight: 400; border-bottom: 1px solid
  var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); vertical-align: bottom; }
thead tr:first-child th { border-bottom: 0; padding-bottom: 0; }
thead th[colspan] { text-align: center; }
th.group, td.group { padding-left: 1.5rem; }
td.main { font-weight: 600; }
tfoot th, tfoot td { border-top: 1.5px solid var(--soft); border-bottom: 0; font-weight: 600; }
.example { margin: 1.75rem 0 0; padding-top: 1rem; border-top: 1px solid var(--rule);
  break-inside: avoid; }
.example header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem;
  margin-bottom: .6rem; }
.example header p { margin: 0; font-size: .9rem; text-align: right; }
.panels { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 1.25rem; }
.panels figure { margin: 0; }
.panels figcaption { font-size: .9rem; margin: 0 0 .15rem; padding-left: 9%; }
audio { display: block; width: 89%; height: 34px; margin: .25rem 0 0 9%; }
.scale { display: inline-block; width: 9rem; height: .7rem; border-radius: 2px; margin: 0 .5rem; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; font-size:
.9rem; } dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 720px) { .panels { grid-template-columns: 1fr; } body { padding-top: 2rem; } }
@media print { audio { display: none; } body { padding: 0; } }
"""

PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evaluation of $model</title>
<style>$style</style>
</head>
<body>
<header>
<p class="kicker">Evaluation</p>
<h1>$model</h1>
<p>$lead</p>
</header>
<main>
<dl class="headline">$headline</dl>
<p class="note">$interval</p>
$warnings
<section>
<h2>Improvement in each class</h2>
<p class="note">SDRi: how much nearer the estimate is to the target than the mixture was. Median
over each class&rsquo;s mixtures, in dB.</p>
<div class="key"><span><i></i>query from the bank</span><span><i class="oracle"></i>query from the
clean target</span><span><i class="line"></i>mean over classes, bank</span></div>
$chart
</section>
<section>
<h2>All figures</h2>
<p class="note">Medians within a class, in dB; below them the mean over classes. Leak: level of the
estimate under the mixture when the class is not in it, so lower is better.</p>
<div class="scroll">$table</div>
</section>
$examples
<section>
<h2>How this was measured</h2>
<dl class="facts">$facts</dl>
</section>
</main>
</body>
</html>
"""
)

EXAMPLES = Template(
    """<section>
<h2>Examples to see and hear</h2>
<p class="note">$count, query from the bank: for each, the mixture whose SDRi is nearest to the median
of the class. Frequency in kHz over time in s. The three pictures of a row share one scale, dB under their
loudest point, and its three players one level.</p>
<p class="note">&minus;$range dB<span class="scale" style="background: $scale"></span>0 dB</p>
$rows
</section>
"""
)
