// Tables, controls, and what the charts are made of.

const element = id => document.getElementById(id);
let data = JSON.parse(element('data').textContent);

function make(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The line that a legend shows for a curve.
function keyOf({ label, colour: index, dash, dots, faint }) {
  const key = make('span', undefined, 'key');
  const stroke = index === null ? style('--soft') : colour(index);
  key.innerHTML = `<svg width="26" height="10" aria-hidden="true"><line x1="1" y1="5" x2="25" y2="5" stroke="${stroke}"
    stroke-width="${faint ? 1 : 2}" opacity="${faint ? 0.5 : 1}" stroke-dasharray="${(dash ?? []).join(' ')}"/>${dots
    ? `<circle cx="13" cy="5" r="3" fill="${stroke}"/>` : ''}</svg>`;
  key.append(label);
  return key;
}

// --- Charts ---

// What a series is drawn as. Of one run every series has a colour, of several every run.
const ROLES = {
  'train/batch_loss': { label: 'batch loss', faint: true },
  smooth: { label: 'batch loss, smoothed', smooth: true },
  'train/loss': { label: 'train loss (evaluation)', colour: 2, dash: [5, 4], dots: true },
  'val/loss': { label: 'val loss', colour: 1, dots: true, wide: true },
};
const KNOWN = [
  { title: 'Loss', names: ['train/batch_loss', 'train/loss', 'val/loss'], wide: true, canBeLog: true },
  { title: 'Learning rate', names: ['lr'], fromZero: true },
  { title: 'Gradient norm', names: ['train/grad_norm'], smooth: true, canBeLog: true },
  { title: 'Tokens per second', names: ['train/tok_per_sec'], smooth: true, fromZero: true },
  { title: 'Model FLOPs utilisation, %', names: ['mfu'], fromZero: true },
  { title: 'Epochs', names: ['train/epoch'], fromZero: true },
  { title: 'Memory of tensors, MiB', names: ['memory/memory_mib', 'memory/peak_memory_mib'], fromZero: true },
  { title: 'Memory of the device, MiB', fromZero: true,
    names: ['memory/device_used_mib', 'memory/device_reserved_mib', 'memory/device_free_mib', 'memory/device_others_mib'] },
  { title: 'Memory of the process, MiB', names: ['memory/process_mib'], fromZero: true },
  { title: 'Memory available on the machine, MiB', names: ['memory/system_available_mib'], fromZero: true },
];
// What tables say, and spikes, which are marks in all curves.
const HIDDEN = /^(memory\/(predicted|measured)_mib|train\/ms$|spike\/)/;
const isLayer = name => /^stats\/[^/]+\/.+/.test(name);

function curvesOf(names, smooth) {
  const curves = [], several = data.runs.length > 1;
  names.forEach((name, place) => data.runs.forEach((run, index) => {
    const series = run.series[name];
    if (!series?.y.length) return;
    const role = ROLES[name] ?? { label: name.replace(/^(memory|train|eval|stats)\//, '').replace(/_mib$/, '').replaceAll('_', ' '),
      dots: true };
    const base = { run, series, ...role, colour: several ? index : role.colour ?? place,
      dash: several && !ROLES[name] ? DASHES[place % 4] : role.dash };
    if (name === 'train/batch_loss') {
      curves.push(base, { ...base, ...ROLES.smooth, faint: false });
    } else if (smooth && series.y.length > 20) {
      curves.push({ ...base, faint: true, dots: false }, { ...base, smooth: true, dots: false, label: base.label + ', smoothed' });
    } else {
      curves.push(base);
    }
  }));
  return curves;
}

// One entry a role of curve, whatever the number of runs.
function keysOf(curves) {
  const keys = new Map();
  for (const curve of curves)
    if (!keys.has(curve.label)) keys.set(curve.label, data.runs.length > 1 ? { ...curve, colour: null } : curve);
  return keys.size > 1 ? [...keys.values()] : [];
}

function buildCharts() {
  const all = [...new Set(data.runs.flatMap(run => Object.keys(run.series)))].filter(name => !HIDDEN.test(name) && !isLayer(name));
  const used = new Set(KNOWN.flatMap(known => known.names));
  const list = [...KNOWN];
  for (const name of all)
    if (!used.has(name)) list.push({ title: name, names: [name], smooth: name.startsWith('train/') });
  charts = [];
  for (const item of list) {
    const curves = curvesOf(item.names, item.smooth);
    if (curves.length) charts.push(new Chart(item.title, curves, { ...item, keys: keysOf(curves) }));
  }
  element('charts').replaceChildren(...charts.map(chart => chart.figure));
}

// --- The box that follows the pointer ---

function showTip(chart, x, y) {
  const tip = element('tip'), values = chart.valuesAt(view.cursor), table = make('table');
  for (const { curve, y: value } of values) {
    const row = table.insertRow(), name = row.insertCell();
    const swatch = make('span', undefined, 'swatch');
    swatch.style.background = colour(curve.colour);
    swatch.style.opacity = curve.faint ? 0.4 : 1;
    name.append(swatch, (data.runs.length > 1 ? curve.run.name + ' \u00b7 ' : '') + curve.label);
    row.insertCell().textContent = shortNumber(value);
  }
  tip.replaceChildren(make('p', xText(values[0]?.x ?? view.cursor)), table);
  for (const { run, mark } of marksNear(chart, view.cursor)) {
    const text = (data.runs.length > 1 ? run.name + ': ' : '') + markText(mark);
    const said = tip.appendChild(make('p', text.length > 160 ? text.slice(0, 160) + '\u2026' : text));
    said.style.color = markColour(mark);
  }
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, x + 16 + width > innerWidth ? x - width - 16 : x + 16) + 'px';
  tip.style.top = Math.max(4, Math.min(y + 16, innerHeight - height - 4)) + 'px';
}
const hideTip = () => { element('tip').hidden = true; };

// --- Tables ---

const lowest = series => series ? series.y.reduce((best, y, i) => (y < best.y ? { y, iter: series.x[i] } : best),
  { y: Infinity, iter: 0 }) : { y: Infinity, iter: 0 };

function fillRuns() {
  const table = element('runs'), head = table.createTHead().insertRow();
  const names = ['', 'state', 'iterations', 'tokens', 'time', 'batch loss', 'best val loss', 'tokens/s', 'peak memory', 'warnings'];
  for (const name of names) head.appendChild(make('th', name));
  const body = table.createTBody();
  data.runs.forEach((run, index) => {
    const row = body.insertRow(), title = row.appendChild(make('th')), best = lowest(run.series['val/loss']);
    const label = title.appendChild(make('label'));
    if (data.runs.length > 1) {
      const box = label.appendChild(make('input'));
      box.type = 'checkbox';
      box.checked = !run.hidden;
      box.addEventListener('change', () => { run.hidden = !box.checked; drawAll(); });
      const swatch = label.appendChild(make('span', undefined, 'swatch'));
      swatch.style.background = colour(index);
    }
    label.append(run.name);
    label.title = run.folder;
    const loss = run.series['train/batch_loss'], speed = run.series['train/tok_per_sec'];
    const peak = run.series['memory/peak_memory_mib'], warnings = run.marks.filter(m => ['warning', 'error', 'not finite'].includes(m.kind));
    const last = smooth => (smooth?.y.length ? shortNumber(smoothed(smooth).at(-1)) : '\u2013');
    const wanted = Number(run.config.max_iters);
    const values = [run.state, run.iter.toLocaleString('en-US') + (wanted > run.iter ? ' of ' + wanted.toLocaleString('en-US') : ''),
      shortNumber((run.iter + 1) * run.tokens), duration(run.hours), last(loss),
      Number.isFinite(best.y) ? `${best.y.toFixed(4)} at ${best.iter.toLocaleString('en-US')}` : '\u2013', last(speed),
      peak ? shortNumber(Math.max(...peak.y)) + ' MiB' : '\u2013', warnings.length];
    values.forEach((value, i) => {
      const cell = row.insertCell();
      cell.textContent = value;
      cell.dataset.name = names[i + 1];
      if (i === 0) cell.className = 'state' + (run.state === 'broken off' ? ' warning' : '');
      if (i === 8 && value) cell.className = 'warning';
    });
  });
}

function fillNotices() {
  const notices = [];
  for (const run of data.runs) {
    if (run.superseded) notices.push(`${run.name}: ${run.superseded.toLocaleString('en-US')} events are not shown, since a resumed run did their iterations once more.`);
    if (run.broken) notices.push(`${run.name}: ${run.broken.toLocaleString('en-US')} lines of metrics.jsonl could not be read.`);
    if (Object.values(run.series).some(series => series.m))
      notices.push(`${run.name}: more points than this page holds; neighbours are shown as their lowest and their highest value, so every spike is there (gpttrain report --points=N keeps more).`);
  }
  element('notices').textContent = notices.join(' ');
}

function fillMemory() {
  const rows = data.runs.flatMap(run => run.memory.map(peak => ({ run, ...peak })));
  element('memory-section').hidden = !rows.length;
  if (!rows.length) return;
  const table = element('memory'), head = table.createTHead().insertRow();
  for (const name of [...(data.runs.length > 1 ? ['run'] : []), 'peak of', 'iteration', 'planned, MiB', 'measured, MiB', 'off by', 'above: planned, below: measured'])
    head.appendChild(make('th', name));
  const body = table.createTBody(), most = Math.max(...rows.flatMap(row => [row.predicted, row.measured]));
  for (const { run, iter, of, predicted, measured } of rows) {
    const row = body.insertRow(), off = predicted / measured - 1;
    if (data.runs.length > 1) row.insertCell().textContent = run.name;
    row.insertCell().textContent = of;
    for (const text of [iter.toLocaleString('en-US'), predicted.toFixed(1), measured.toFixed(1),
      (off >= 0 ? '+' : '') + (100 * off).toFixed(1) + ' %']) row.appendChild(make('td', text, 'number'));
    if (Math.abs(off) > 0.03) row.cells[row.cells.length - 1].classList.add('warning');
    const bars = row.insertCell();
    for (const [value, name] of [[predicted, 'planned'], [measured, 'measured']]) {
      const holder = bars.appendChild(make('div')), bar = holder.appendChild(make('span', undefined, 'bar'));
      bar.style.width = 160 * value / most + 'px';
      if (name === 'measured') bar.style.background = style('--soft');
      bar.title = name;
    }
  }
}

function fillSamples() {
  const iters = [...new Set(data.runs.flatMap(run => run.samples.map(sample => sample.iter)))].sort((a, b) => a - b);
  element('samples-section').hidden = !iters.length;
  if (!iters.length) return;
  const slider = element('sample-at'), follows = slider.value === slider.max;  // the newest
  slider.max = iters.length - 1;
  if (follows) slider.value = slider.max;
  const show = () => {
    const iter = iters[slider.value], prompts = [...new Set(data.runs.flatMap(run => run.samples.map(s => s.prompt)))];
    element('sample-iter').textContent = iter.toLocaleString('en-US');
    element('samples').replaceChildren(...prompts.map(prompt => {
      const row = make('div', undefined, 'prompts');
      for (const run of data.runs) {
        const sample = run.samples.filter(s => s.prompt === prompt && s.iter <= iter).at(-1);
        if (!sample && data.runs.length === 1) continue;
        const column = row.appendChild(make('div'));
        column.append(make('div', sample ? `${data.runs.length > 1 ? run.name + ', ' : ''}iteration ${sample.iter.toLocaleString('en-US')}`
          : `${run.name}: nothing yet`));
        if (!sample) continue;
        const text = column.appendChild(make('pre'));
        text.append(make('b', prompt), sample.text.startsWith(prompt) ? sample.text.slice(prompt.length) : sample.text);
      }
      return row;
    }));
  };
  slider.oninput = show;
  show();
}

function fillEvents() {
  const table = element('events');
  const rows = data.runs.flatMap(run => run.marks.filter(mark => mark.kind !== 'checkpoint').map(mark => ({ run, mark })));
  const head = table.createTHead().insertRow(), body = table.createTBody();
  for (const name of [...(data.runs.length > 1 ? ['run'] : []), 'iteration', 'when', 'what', '']) head.appendChild(make('th', name));
  for (const { run, mark } of rows) {
    const row = body.insertRow();
    if (data.runs.length > 1) row.insertCell().textContent = run.name;
    row.appendChild(make('td', mark.iter < 0 ? '' : mark.iter.toLocaleString('en-US'), 'number'));
    row.insertCell().textContent = new Date(mark.time * 1000).toLocaleString();
    const kind = row.insertCell();
    kind.textContent = `${MARK_SIGNS[mark.kind] ?? ''} ${mark.kind}`;
    kind.className = mark.kind === 'warning' ? 'state warning' : ['error', 'not finite'].includes(mark.kind) ? 'state error' : 'state';
    row.insertCell().textContent = mark.text + (mark.times > 1 ? ` (${mark.times} times)` : '');
  }
}

function fillConfig() {
  const keys = [...new Set(data.runs.flatMap(run => Object.keys(run.config)))];
  const several = data.runs.length > 1, only = element('differences');
  if (element('differences-label').hidden && several) only.checked = true;
  element('differences-label').hidden = !several;
  const shown = (run, key) => run.config[key] ?? '\u2013';
  const table = element('config'), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const name of ['option', ...data.runs.map(run => run.name)]) head.appendChild(make('th', name));
  const rows = keys.map(key => {
    const row = body.insertRow(), differs = new Set(data.runs.map(run => shown(run, key))).size > 1;
    row.appendChild(make('th', key));
    row.classList.toggle('differs', differs);
    for (const run of data.runs) {
      const cell = row.insertCell();
      cell.textContent = shown(run, key);
      if (run.changes[key]) cell.appendChild(make('small', 'decided here: ' + run.changes[key]));
    }
    return { key, row, differs };
  });
  const filter = () => {
    const text = element('config-find').value.trim().toLowerCase();
    for (const { key, row, differs } of rows)
      row.hidden = (several && only.checked && !differs) || !(key + row.textContent).toLowerCase().includes(text);
  };
  element('config-find').oninput = filter;
  only.onchange = filter;
  filter();
}

// --- Everything ---

function prepare() {
  for (const run of data.runs) {
    // Series of one event share their iterations and hours.
    for (const series of Object.values(run.series))
      if (series.like) [series.x, series.t] = [run.series[series.like].x, run.series[series.like].t];
    run.longest = Object.values(run.series).reduce((best, s) => (!best || s.x.length > best.x.length ? s : best), null);
    run.hidden ??= false;
    const resumed = new Set(run.marks.filter(mark => mark.kind === 'resume').map(mark => mark.iter));
    run.marks.forEach(mark => { mark.quiet = mark.kind === 'stop' && resumed.has(mark.iter); });
  }
}

function sayWhen() {
  element('when').textContent = data.runs.map(run => run.name).join(', ') + ' \u00b7 as of ' + new Date(data.generated * 1000).toLocaleString();
}

function showAll() {
  prepare();
  for (const id of ['runs', 'memory', 'events', 'config']) element(id).replaceChildren();
  sayWhen();
  document.title = data.runs.map(run => run.name).join(', ') + ' \u00b7 gpttrain report';
  element('smooth-value').textContent = view.smooth.toFixed(2);
  fillRuns();
  fillNotices();
  buildCharts();
  showLayers();
  fillMemory();
  fillSamples();
  fillEvents();
  fillConfig();
  drawAll();
}

function listenToControls() {
  for (const input of document.querySelectorAll('#controls input[name="x"]'))
    input.addEventListener('change', () => { view.x = input.value; view.range = view.cursor = null; drawAll(); drawLayers(); });
  for (const input of document.querySelectorAll('#controls input[name="y"]'))
    input.addEventListener('change', () => { view.log = input.value === 'log'; drawAll(); });
  element('smooth').addEventListener('input', event => {
    view.smooth = Number(event.target.value);
    element('smooth-value').textContent = view.smooth.toFixed(2);
    drawAll();
  });
  element('marks').addEventListener('change', event => { view.marks = event.target.checked; drawAll(); });
  element('saves').addEventListener('change', event => { view.saves = event.target.checked; drawAll(); });
  element('cut').addEventListener('change', event => { view.cut = event.target.checked; drawAll(); });
  element('closer').addEventListener('click', () => zoom(0.5));
  element('farther').addEventListener('click', () => zoom(2));
  element('all').addEventListener('click', () => setRange(null));
  element('controls').addEventListener('submit', event => event.preventDefault());
  const retheme = () => { styles.clear(); showAll(); };
  element('theme').addEventListener('click', () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    retheme();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', retheme);
}

// A page that `gpttrain report --watch` serves asks for what is new; ranges and choices stay.
function watch() {
  if (!data.watched) return;
  const again = async () => {
    try {
      const answer = await fetch('data.json?since=' + data.stamp, { cache: 'no-store' });
      if (answer.status === 200) {
        const hidden = new Set(data.runs.filter(run => run.hidden).map(run => run.folder));
        const focus = charts.findIndex(chart => chart.box === document.activeElement);
        data = await answer.json();
        for (const run of data.runs) run.hidden = hidden.has(run.folder);
        showAll();
        charts[focus]?.box.focus({ preventScroll: true });
      }
      sayWhen();
    } catch {
      element('when').textContent = 'gpttrain report --watch no longer answers; this is what it said last';
    }
    setTimeout(again, 2000);
  };
  setTimeout(again, 2000);
}

window.addEventListener('error', event => { document.documentElement.dataset.failed = event.message; });
listenToControls();
showAll();
watch();
requestAnimationFrame(() => setTimeout(() => {
  document.documentElement.dataset.drawn = Math.round(performance.now());
}));
