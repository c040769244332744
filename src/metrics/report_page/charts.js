'use strict';
// The curves. One horizontal range and one cursor belong to all of them.

const view = { x: 'iter', log: false, smooth: 0.9, marks: true, saves: false, cut: false, range: null, cursor: null };
const PALETTE = {
  light: ['#0b63b5', '#c9510c', '#2a7d3f', '#8a3fb0', '#b3261e', '#00767a', '#7a5c00', '#5b6570'],
  dark: ['#6cb2ff', '#ff9d5c', '#6fd18b', '#d39bff', '#ff8a80', '#4dd0d4', '#e0c050', '#aab4be'],
};
const DASHES = [[], [6, 4], [2, 3], [9, 3, 2, 3]];
const MARGIN = { left: 58, right: 10, top: 14, bottom: 22 };
const MARK_SIGNS = { resume: '\u21bb', start: '\u25b6', stop: '\u25a0', end: '\u25a0', checkpoint: '\u2022', error: '\u2716',
  warning: '\u25b2', 'not finite': '\u2716' };

const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};
const colour = index => PALETTE[isDark() ? 'dark' : 'light'][index % 8];
const styles = new Map();  // emptied when the theme changes
function style(name) {
  if (!styles.has(name)) styles.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return styles.get(name);
}

// --- Numbers as text ---

function shortNumber(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-3) return value.toExponential(2).replace(/\.?0+e/, 'e');
  for (const [unit, sign] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e4, 'k']])
    if (size >= unit) return trimmed(value / (sign === 'k' ? 1e3 : unit)) + sign;
  return trimmed(value);
}
const trimmed = value => String(Number(value.toPrecision(size4(value))));
const size4 = value => (Math.abs(value) >= 1000 ? 5 : 4);

function duration(hours) {
  const seconds = Math.round(hours * 3600);
  if (seconds < 120) return seconds + ' s';
  if (seconds < 7200) return Math.floor(seconds / 60) + ' min' + (seconds % 60 ? ' ' + (seconds % 60) + ' s' : '');
  return Math.floor(hours) + ' h' + (Math.round(seconds / 60) % 60 ? ' ' + (Math.round(seconds / 60) % 60) + ' min' : '');
}
const xText = value => view.x === 'hours' ? duration(value)
  : view.x === 'tokens' ? shortNumber(value) + ' tokens' : 'iteration ' + Math.round(value).toLocaleString('en-US');

// --- Positions ---

const xOf = (run, iter, hours) => view.x === 'iter' ? iter : view.x === 'tokens' ? iter * run.tokens : hours;

// A series in the present unit: xs ascend.
function positions(run, series) {
  series.cache ??= {};
  return series.cache[view.x] ??= Float64Array.from(series.x, (iter, i) => xOf(run, iter, series.t[i]));
}

// The first index whose value is at least `x`.
function firstFrom(xs, x) {
  let low = 0, high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1; else high = middle;
  }
  return low;
}

function nearest(xs, x) {
  const after = firstFrom(xs, x);
  if (after === 0) return 0;
  if (after === xs.length) return xs.length - 1;
  return x - xs[after - 1] < xs[after] - x ? after - 1 : after;
}

// Hours at an iteration, between the points of the run's longest series.
function hoursAt(run, iter) {
  const series = run.longest;
  if (!series) return 0;
  const i = nearest(series.x, iter);
  return series.t[i];
}

// --- Smoothing: a mean with weights that fall off exponentially to both sides, so that it does not lag; over as much of
// the curve however many points it has ---

function smoothed(series) {
  if (series.smoothCache?.weight === view.smooth) return series.smoothCache.values;
  const values = new Float64Array(series.y.length), from = series.m ?? series.y;
  const weight = view.smooth ** (1000 / values.length), weights = new Float64Array(values.length);
  const pass = (first, step) => {
    let sum = 0, total = 0;
    for (let i = first; i >= 0 && i < values.length; i += step) {
      values[i] += sum *= weight;  // of those before, in this direction
      weights[i] += total *= weight;
      sum += from[i];
      total += 1;
    }
  };
  pass(0, 1);
  pass(values.length - 1, -1);
  for (let i = 0; i < values.length; ++i) values[i] = (values[i] + from[i]) / (weights[i] + 1);
  series.smoothCache = { weight: view.smooth, values };
  return values;
}

// --- Axes ---

function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) list.push(i * step);
  return list;
}

function logTicks(low, high) {
  const list = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); ++power)
    for (const factor of high / low > 1e3 ? [1] : [1, 2, 5]) list.push(factor * 10 ** power);
  const inside = list.filter(value => value >= low && value <= high);
  return inside.length >= 3 ? inside : ticks(low, high, 5).filter(value => value > 0);
}

const hourTicks = (low, high, count) => {
  const steps = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800].map(s => s / 3600);
  const step = steps.find(value => (high - low) / value <= count) ?? (high - low) / count;
  const list = [];
  for (let i = Math.ceil(low / step); i * step <= high; ++i) list.push(i * step);
  return list;
};

// --- One chart ---

class Chart {
  // curves: [{run, series, label, smooth, colour, dash, dots, faint, wide}]
  constructor(title, curves, options) {
    this.title = title;
    this.curves = curves;
    this.options = options;
    this.figure = document.createElement('figure');
    if (options.wide) this.figure.className = 'wide';
    const caption = this.figure.appendChild(document.createElement('figcaption'));
    caption.appendChild(document.createElement('b')).textContent = title;
    for (const key of options.keys ?? []) caption.appendChild(keyOf(key));
    this.box = this.figure.appendChild(document.createElement('div'));
    this.box.className = 'chart';
    this.box.tabIndex = 0;
    this.box.setAttribute('role', 'group');
    this.box.setAttribute('aria-label', title + ': ' + this.summary());
    this.canvas = this.box.appendChild(document.createElement('canvas'));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  summary() {
    return this.curves.filter(c => !c.faint).map(c => `${c.run.name}, ${c.label}: last ` +
      shortNumber(c.series.y.at(-1))).join('; ') + '. Arrow keys read values.';
  }

  extent() {
    let low = Infinity, high = -Infinity;
    for (const curve of this.shown()) {
      const xs = positions(curve.run, curve.series);
      low = Math.min(low, xs[0]);
      high = Math.max(high, xs.at(-1));
    }
    return low < high ? [low, high] : Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
  }

  shown() { return this.curves.filter(curve => !curve.run.hidden); }

  yExtent(left, right) {
    let low = Infinity, high = -Infinity;
    const seen = [];
    for (const curve of this.shown()) {
      const xs = positions(curve.run, curve.series), ys = curve.smooth ? smoothed(curve.series) : curve.series.y;
      const add = y => {
        if (this.isLog() && y <= 0) return;
        if (y < low) low = y;
        if (y > high) high = y;
        if (view.cut) seen.push(y);
      };
      const first = firstFrom(xs, left), after = firstFrom(xs, right);
      for (let i = first; i < after || (i < xs.length && xs[i] === right); ++i) add(ys[i]);
      // Where the lines to points outside cross the borders.
      for (const [i, x] of [[first, left], [after, right]])
        if (i > 0 && i < xs.length)
          add(ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1] || 1));
    }
    if (seen.length > 100) {
      seen.sort((a, b) => a - b);
      low = seen[Math.floor(seen.length * 0.01)];
      high = seen[Math.ceil(seen.length * 0.99) - 1];
    }
    if (low > high) return this.isLog() ? [0.1, 1] : [0, 1];
    if (this.isLog()) return low === high ? [low / 1.1, high * 1.1] : [low / (high / low) ** 0.03, high * (high / low) ** 0.03];
    if (this.options.fromZero) low = Math.min(low, 0);
    const pad = (high - low) * 0.04 || Math.abs(high) * 0.05 || 1;
    return [this.options.fromZero && low === 0 ? 0 : low - pad, high + pad];
  }

  isLog() { return view.log && this.options.canBeLog; }

  draw() {
    const width = this.box.clientWidth, height = this.box.clientHeight, scale = devicePixelRatio || 1;
    if (!width || !height) return;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const pen = this.canvas.getContext('2d');
    pen.scale(scale, scale);
    const [left, right] = view.range ?? whole();
    const [low, high] = this.yExtent(left, right);
    const plot = { left: MARGIN.left, top: MARGIN.top, width: width - MARGIN.left - MARGIN.right,
      height: height - MARGIN.top - MARGIN.bottom };
    this.toX = x => plot.left + (x - left) / (right - left) * plot.width;
    this.fromX = pixel => left + (pixel - plot.left) / plot.width * (right - left);
    const up = this.isLog() ? y => Math.log(y / low) / Math.log(high / low) : y => (y - low) / (high - low);
    this.toY = y => plot.top + (1 - up(y)) * plot.height;
    this.plot = plot;
    this.drawAxes(pen, left, right, low, high);
    pen.save();
    pen.beginPath();
    pen.rect(plot.left, 0, plot.width, plot.top + plot.height);
    pen.clip();
    this.drawMarks(pen);
    for (const curve of this.shown()) this.drawCurve(pen, curve, left, right);
    this.drawCursor(pen);
    pen.restore();
  }

  drawAxes(pen, left, right, low, high) {
    const { plot } = this;
    pen.font = '11px system-ui, sans-serif';
    pen.fillStyle = style('--soft');
    pen.strokeStyle = style('--grid');
    pen.lineWidth = 1;
    pen.textBaseline = 'middle';
    pen.textAlign = 'right';
    const list = this.isLog() ? logTicks(low, high) : ticks(low, high, plot.height / 45);
    for (const value of list) {
      const y = Math.round(this.toY(value)) + 0.5;
      line(pen, plot.left, y, plot.left + plot.width, y);
      pen.fillText(shortNumber(value), plot.left - 6, y);
    }
    pen.textBaseline = 'top';
    pen.textAlign = 'center';
    const count = plot.width / 90;
    for (const value of view.x === 'hours' ? hourTicks(left, right, count) : ticks(left, right, count)) {
      const x = Math.round(this.toX(value)) + 0.5;
      line(pen, x, plot.top, x, plot.top + plot.height);
      const text = view.x === 'hours' ? duration(value) : shortNumber(value);
      const half = pen.measureText(text).width / 2;
      pen.fillText(text, Math.min(x, plot.left + plot.width + MARGIN.right - half), plot.top + plot.height + 6);
    }
  }

  drawMarks(pen) {
    const { plot } = this;
    for (const run of data.runs) {
      if (run.hidden) continue;
      for (const mark of run.marks) {
        if (!markShown(mark)) continue;
        const x = Math.round(this.toX(markX(run, mark))) + 0.5;
        if (x < plot.left || x > plot.left + plot.width) continue;
        pen.strokeStyle = pen.fillStyle = markColour(mark);
        pen.globalAlpha = mark.kind === 'checkpoint' ? 0.35 : 0.7;
        pen.setLineDash([3, 3]);
        line(pen, x, plot.top, x, plot.top + plot.height);
        pen.setLineDash([]);
        pen.globalAlpha = 1;
        pen.textAlign = 'center';
        pen.textBaseline = 'bottom';
        pen.fillText(MARK_SIGNS[mark.kind] ?? '\u25b2', x, plot.top);
      }
    }
  }

  drawCurve(pen, curve, left, right) {
    const xs = positions(curve.run, curve.series), ys = curve.smooth ? smoothed(curve.series) : curve.series.y;
    const from = Math.max(firstFrom(xs, left) - 1, 0), to = Math.min(firstFrom(xs, right) + 1, xs.length);
    pen.strokeStyle = pen.fillStyle = colour(curve.colour);
    pen.globalAlpha = !curve.faint ? 1 : isDark() ? 0.45 : 0.38;
    pen.lineWidth = curve.faint ? 1 : curve.wide ? 2.2 : 1.6;
    pen.lineJoin = 'round';
    pen.setLineDash(curve.dash ?? []);
    pen.beginPath();
    if (to - from > 3 * this.plot.width) this.traceColumns(pen, xs, ys, from, to);
    else for (let i = from; i < to; ++i) pen.lineTo(this.toX(xs[i]), this.toY(ys[i]));
    pen.stroke();
    pen.setLineDash([]);
    const few = to - from <= this.plot.width / 7;
    for (let i = from; i < to && few && (curve.dots || to - from === 1); ++i) {
      pen.beginPath();
      pen.arc(this.toX(xs[i]), this.toY(ys[i]), 2.6, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  // Many points a pixel: the lowest and the highest of each column.
  traceColumns(pen, xs, ys, from, to) {
    for (let i = from; i < to;) {
      const column = Math.floor(this.toX(xs[i]));
      let low = i, high = i, next = i + 1;
      for (; next < to && Math.floor(this.toX(xs[next])) === column; ++next) {
        if (ys[next] < ys[low]) low = next;
        if (ys[next] > ys[high]) high = next;
      }
      for (const at of low < high ? [low, high] : [high, low]) pen.lineTo(this.toX(xs[at]), this.toY(ys[at]));
      i = next;
    }
  }

  drawCursor(pen) {
    const { plot } = this;
    if (view.drag?.chart === this) {
      pen.fillStyle = style('--accent');
      pen.globalAlpha = 0.18;
      const from = this.toX(view.drag.from), to = this.toX(view.drag.to);
      pen.fillRect(Math.min(from, to), plot.top, Math.abs(to - from), plot.height);
      pen.globalAlpha = 1;
    }
    if (view.cursor === null) return;
    const x = Math.round(this.toX(view.cursor)) + 0.5;
    pen.strokeStyle = style('--soft');
    pen.lineWidth = 1;
    line(pen, x, plot.top, x, plot.top + plot.height);
    for (const { curve, x: at, y } of this.valuesAt(view.cursor)) {
      pen.fillStyle = colour(curve.colour);
      pen.beginPath();
      pen.arc(this.toX(at), this.toY(y), 3.2, 0, 7);
      pen.fill();
    }
  }

  // Of the runs that have come as far as `x`.
  valuesAt(x) {
    const list = [], [left, right] = view.range ?? whole();
    for (const curve of this.shown()) {
      if (x > positions(curve.run, curve.run.longest).at(-1) + (right - left) / 200) continue;
      const xs = positions(curve.run, curve.series), i = nearest(xs, x);
      const ys = curve.smooth ? smoothed(curve.series) : curve.series.y;
      list.push({ curve, x: xs[i], y: ys[i] });
    }
    return list;
  }

  // --- Mouse, touch and keys ---

  listen() {
    const at = event => this.fromX(event.clientX - this.box.getBoundingClientRect().left);
    this.box.addEventListener('pointermove', event => {
      if (!this.plot) return;
      view.cursor = clamped(at(event));
      if (view.drag) view.drag.to = view.cursor;
      drawAll();
      showTip(this, event.clientX, event.clientY);
    });
    this.box.addEventListener('pointerleave', () => {
      if (view.drag) return;
      view.cursor = null;
      drawAll();
      hideTip();
    });
    this.box.addEventListener('pointerdown', event => {
      if (event.button !== 0 || event.pointerType === 'touch') return;
      this.box.setPointerCapture(event.pointerId);
      view.drag = { chart: this, from: clamped(at(event)), to: clamped(at(event)) };
    });
    this.box.addEventListener('pointerup', () => this.endDrag());
    this.box.addEventListener('pointercancel', () => { view.drag = null; drawAll(); });
    this.box.addEventListener('dblclick', () => setRange(null));
    this.box.addEventListener('keydown', event => this.key(event));
    this.box.addEventListener('blur', () => { view.cursor = null; hideTip(); drawAll(); });
  }

  endDrag() {
    const drag = view.drag;
    view.drag = null;
    if (!drag) return;
    const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    if (this.toX(to) - this.toX(from) > 5) setRange([from, to]); else drawAll();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [left, right] = view.range ?? whole();
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in moves) this.moveCursor(moves[event.key] * (event.shiftKey ? 20 : 1));
    else if (event.key === 'Home') view.cursor = left;
    else if (event.key === 'End') view.cursor = right;
    else if (event.key === '+' || event.key === '=') zoom(0.5);
    else if (event.key === '-') zoom(2);
    else if (event.key === '0') setRange(null);
    else if (event.key === 'Escape') view.cursor = null;
    else return;
    event.preventDefault();
    drawAll();
    if (view.cursor === null) return hideTip();
    const box = this.box.getBoundingClientRect();
    showTip(this, box.left + this.toX(view.cursor), box.top + 30);
    element('reading').textContent = this.reading(view.cursor);
  }

  // From point to point of the first curve, but never less than a pixel.
  moveCursor(steps) {
    const [left, right] = view.range ?? whole(), curve = this.shown()[0];
    if (!curve) return;
    if (view.cursor === null) {
      view.cursor = steps > 0 ? left : right;
      return;
    }
    const xs = positions(curve.run, curve.series), pixel = (right - left) / this.plot.width;
    const next = xs[Math.min(Math.max(nearest(xs, view.cursor) + steps, 0), xs.length - 1)];
    const least = view.cursor + steps * pixel;
    view.cursor = clamped(steps > 0 ? Math.max(next, least) : Math.min(next, least));
  }

  reading(x) {
    return xText(x) + '. ' + this.valuesAt(x).map(({ curve, y }) =>
      `${data.runs.length > 1 ? curve.run.name + ' ' : ''}${curve.label} ${shortNumber(y)}`).join(', ') +
      marksNear(this, x).map(({ mark }) => '. ' + markText(mark)).join('');
  }
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

// --- What all charts share ---

let charts = [];
let drawing = false;

function drawAll() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    for (const chart of charts) chart.draw();
  });
}

// Of all charts, so that one cursor fits them all.
function whole() {
  let low = Infinity, high = -Infinity;
  for (const chart of charts) {
    if (!chart.shown().length) continue;
    const [from, to] = chart.extent();
    low = Math.min(low, from);
    high = Math.max(high, to);
  }
  return low < high ? [low, high] : [0, 1];
}

function clamped(x) {
  const [left, right] = view.range ?? whole();
  return Math.min(Math.max(x, left), right);
}

function setRange(range) {
  view.range = range;
  if (range) {
    const [left, right] = whole(), least = (right - left) / 1e5;
    if (range[1] - range[0] < least) range[1] = range[0] + least;
    view.range = [Math.max(range[0], left), Math.min(range[1], right)];
    if (view.range[0] <= left && view.range[1] >= right) view.range = null;
  }
  drawAll();
}

// Around the cursor, or else the middle.
function zoom(factor) {
  const [left, right] = view.range ?? whole(), centre = view.cursor ?? (left + right) / 2;
  setRange([centre - (centre - left) * factor, centre + (right - centre) * factor]);
}

const markShown = mark => mark.kind === 'checkpoint' ? view.saves : view.marks && !mark.quiet && mark.kind !== 'start' && mark.kind !== 'end';
const markX = (run, mark) => xOf(run, mark.iter, hoursAt(run, mark.iter));
const markColour = mark => style(mark.kind === 'error' || mark.kind === 'not finite' ? '--error'
  : mark.kind === 'warning' ? '--warning' : '--soft');
const markText = mark => mark.kind + ' at iteration ' + mark.iter.toLocaleString('en-US') + (mark.text ? ': ' + mark.text : '') +
  (mark.times > 1 ? ` (${mark.times} times)` : '');

function marksNear(chart, x) {
  const near = [];
  for (const run of data.runs)
    for (const mark of run.marks)
      if (!run.hidden && markShown(mark) && Math.abs(chart.toX(markX(run, mark)) - chart.toX(x)) < 6) near.push({ run, mark });
  return near.slice(0, 4);
}
