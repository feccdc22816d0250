"""The report's page: its style and what is on it."""

from __future__ import annotations

from string import Template

from uss_plugins.reporting import style

STYLE = (
    style.STYLE
    + """
body { max-width: 1180px; }
ul.tree, ul.tree ul { list-style: none; margin: 0; padding: 0; }
ul.tree ul { margin-left: .55rem; padding-left: 1.1rem; border-left: 1px solid var(--rule); }
.row { display: grid; grid-template-columns: minmax(0, 1fr) 30rem 3.6rem 4.4rem; gap: 0 1.1rem;
  align-items: center; }
.row > .number { text-align: right; }
.row > .number.weak { color: var(--soft); }
.heads { color: var(--soft); font-size: .85rem; padding-bottom: .3rem; border-bottom: 1px solid
  var(--rule); margin-top: 1.5rem; }
details > summary { list-style: none; cursor: pointer; padding: .5rem 0 .45rem; border-radius: 4px; }
details > summary::-webkit-details-marker { display: none; }
details > summary:hover { background: color-mix(in srgb, var(--rule) 35%, transparent); }
details > summary:focus-visible, a:focus-visible { outline: 2px solid var(--first); }
details > summary .name::before { content: ""; display: inline-block; margin-right: .5rem;
  border: .28rem solid transparent; border-left-color: var(--soft); transform-origin: 25% 50%; }
details[open] > summary .name::before { transform: rotate(90deg); }
.name { font-weight: 600; overflow-wrap: anywhere; }
.level-1 > details > summary .name { font-size: 1.1rem; }
.heading > details > summary .name { font-weight: 400; color: var(--soft); }
.name small { font-weight: 400; color: var(--soft); margin-left: .45rem; white-space: nowrap; }
.body { padding: .1rem 0 1rem; align-items: start; }
.body .facts { font-size: .85rem; color: var(--soft); margin: .45rem 0 0; overflow-wrap: anywhere;
  max-width: none; }
.body img, .mixture img { display: block; width: 100%; height: 92px; border-radius: 3px; }
.mixture img { height: 128px; }
audio { display: block; width: 100%; height: 36px; }
a { color: var(--first); }
svg.strip { height: 22px; background: color-mix(in srgb, var(--rule) 45%, transparent);
  border-radius: 3px; }
svg.strip rect { fill: var(--soft); opacity: .45; }
svg.strip rect.active { fill: var(--first); opacity: 1; }
svg.axis { margin-top: .15rem; overflow: visible; }
.key i { content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 2px;
  margin-right: .45em; background: var(--first); }
.key i.quiet { background: var(--soft); opacity: .45; }
@media (max-width: 860px) {
  .row { grid-template-columns: minmax(0, 1fr) 3.2rem 4rem; }
  .row > .time { grid-column: 1 / -1; order: 9; margin-top: .35rem; }
  .body > :first-child { grid-column: 1 / -1; }
  body { padding: 2rem 1rem 3rem; }
}
@media print { audio { display: none; } body { padding: 0; } }
"""
)

MAIN = Template(
    """<dl class="headline">$headline</dl>
<section class="mixture">
<h2>The recording</h2>
<div class="row"><div>$mixture_player</div>
<div class="time"><img alt="spectrogram of the recording" src="$mixture_picture">$axis</div></div>
</section>
<section>
<h2>What was heard in it</h2>
<p class="note">$note</p>
<div class="key"><span><i></i>active, height is the probability</span><span><i class="quiet"></i>under
the threshold of $threshold</span><span>spectrograms 0 to $kilohertz kHz, &minus;$range dB<span class="scale"
style="background: $scale"></span>0 dB</span></div>
<div class="row heads"><div>Node</div><div class="time">Activity over $duration</div>
<div class="number">Prob.</div><div class="number">Energy</div></div>
$tree
</section>
$residuals
<section>
<h2>How it was made</h2>
<dl class="facts">$facts</dl>
</section>"""
)

RESIDUALS = Template(
    """<section>
<h2>What is left</h2>
<p class="note">The recording minus all parts of a level. The parts of a level and what is left add up to the
recording.</p>
$rows
</section>
"""
)
