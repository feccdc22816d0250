"""The report's page: its style and what is on it."""

from __future__ import annotations

from string import Template

from uss_plugins.reporting import style

STYLE = (
    style.STYLE
    + """
.headline .bank dt::before, .headline .oracle dt::before, .key i { content: ""; display:
inline-block;
  width: .7em; height: .7em; border-radius: 2px; margin-right: .45em; background: var(--first); }
.headline .oracle dt::before, .key i.oracle { background: var(--second); }
.key i.line { width: 0; height: 1em; border-radius: 0; background: none; vertical-align: -.15em;
  border-left: 1.5px dashed var(--ink); }
svg text.first { font-weight: 600; } svg text.second { fill: var(--soft); }
svg .mean { stroke: var(--ink); stroke-width: 1.25; stroke-dasharray: 5 4; }
svg rect.bank { fill: var(--first); } svg rect.oracle { fill: var(--second); }
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
@media (max-width: 720px) { .panels { grid-template-columns: 1fr; } body { padding-top: 2rem; } }
@media print { audio { display: none; } body { padding: 0; } }
"""
)

MAIN = Template(
    """<dl class="headline">$headline</dl>
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
</section>"""
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
