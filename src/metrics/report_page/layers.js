// Statistics by layer: a map with a row a layer and a column an iteration.

const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];  // viridis
const layersView = { at: null };

function scaled(share) {
  const at = Math.min(Math.max(share, 0), 1) * (SCALE.length - 1), i = Math.min(Math.floor(at), SCALE.length - 2);
  return `rgb(${SCALE[i].map((low, c) => Math.round(low + (SCALE[i + 1][c] - low) * (at - i))).join(',')})`;
}

// {quantity: [layer, ...]}
function quantitiesOf(run) {
  const map = new Map();
  for (const name of Object.keys(run.series)) {
    const [, quantity, layer] = /^stats\/([^/]+)\/(.+)/.exec(name) ?? [];
    if (quantity) map.set(quantity, [...(map.get(quantity) ?? []), layer]);
  }
  const order = layer => (/^\D*(\d+)/.exec(layer) ?? [0, layer.includes('wte') || layer.includes('wpe') ? -1 : 1e9])[1];
  for (const layers of map.values()) layers.sort((a, b) => order(a) - order(b) || a.localeCompare(b, 'en', { numeric: true }));
  return map;
}

function options(select, names, labels = names) {
  const before = select.value;
  select.replaceChildren(...names.map((name, i) => new Option(labels[i], name)));
  if (names.includes(before)) select.value = before;
}

function showLayers() {
  const runs = data.runs.filter(run => quantitiesOf(run).size), box = element('layers');
  element('layers-section').hidden = !runs.length;
  if (!runs.length) return;
  options(element('layers-run'), runs.map(run => run.folder), runs.map(run => run.name));
  element('layers-run').parentElement.hidden = runs.length < 2;
  const run = () => runs.find(r => r.folder === element('layers-run').value);
  const offer = () => { options(element('quantity'), [...quantitiesOf(run()).keys()]); drawLayers(); };
  element('layers-run').onchange = offer;
  element('quantity').onchange = drawLayers;
  if (!box.firstChild) {
    box.appendChild(make('canvas'));
    new ResizeObserver(drawLayers).observe(box);
    box.addEventListener('pointermove', event => {
      const at = box.getBoundingClientRect();
      layersView.at = layersView.cell?.(event.clientX - at.left, event.clientY - at.top) ?? null;
      readLayer();
    });
    box.addEventListener('keydown', event => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const [column, row] = layersView.at ?? [-step[0], -step[1]];
      layersView.at = [Math.min(Math.max(column + step[0], 0), layersView.columns - 1),
        Math.min(Math.max(row + step[1], 0), layersView.rows.length - 1)];
      readLayer();
    });
  }
  offer();
}

function drawLayers() {
  const box = element('layers'), run = data.runs.find(r => r.folder === element('layers-run').value);
  const quantity = element('quantity').value, layers = run && quantitiesOf(run).get(quantity), canvas = box.firstChild;
  if (!layers || !canvas) return;
  box.style.height = Math.max(120, Math.min(layers.length * 22, 700)) + 34 + 'px';
  const width = box.clientWidth, height = box.clientHeight, scale = devicePixelRatio || 1, left = width < 500 ? 90 : 150;
  if (!width) return;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext('2d');
  pen.scale(scale, scale);
  const rows = layers.map(layer => run.series[`stats/${quantity}/${layer}`]);
  const columns = Math.min(Math.max(...rows.map(row => row.y.length)), Math.max(1, Math.floor((width - left) / 2)));
  const values = rows.map(row => Array.from({ length: columns }, (_, c) => Math.min(Math.floor(c * row.y.length / columns), row.y.length - 1)));
  const positive = rows.flatMap(row => row.y.filter(y => y > 0)), low = Math.min(...positive), high = Math.max(...positive);
  const wideRange = high / low > 20;
  const share = y => wideRange ? Math.log(Math.max(y, low) / low) / Math.log(high / low) : (y - low) / (high - low || 1);
  const cellWidth = (width - left) / columns, cellHeight = (height - 34) / rows.length;
  rows.forEach((row, r) => values[r].forEach((i, c) => {
    pen.fillStyle = scaled(share(row.y[i]));
    pen.fillRect(left + c * cellWidth, r * cellHeight, cellWidth + 0.5, Math.max(cellHeight - 1, 1));
  }));
  pen.font = '11px system-ui, sans-serif';
  pen.fillStyle = style('--soft');
  pen.textBaseline = 'middle';
  pen.textAlign = 'right';
  const every = Math.ceil(13 / cellHeight);
  layers.forEach((layer, r) => { if (r % every === 0) pen.fillText(layer.slice(-Math.floor(left / 6)), left - 6, (r + 0.5) * cellHeight); });
  pen.textAlign = 'left';
  pen.fillText(shortNumber(rows[0].x[0]), left, height - 22);
  pen.textAlign = 'right';
  pen.fillText('iteration ' + shortNumber(rows[0].x.at(-1)), width, height - 22);
  pen.textAlign = 'center';
  pen.fillText(`dark ${shortNumber(low)}, bright ${shortNumber(high)}${wideRange ? ' (logarithmic)' : ''}`, (left + width) / 2, height - (width < 600 ? 7 : 22));
  layersView.rows = rows.map((row, r) => ({ layer: layers[r], row, values: values[r] }));
  layersView.columns = columns;
  layersView.cell = (x, y) => (x < left || y >= height - 34 ? null
    : [Math.min(Math.floor((x - left) / cellWidth), columns - 1), Math.floor(y / cellHeight)]);
  readLayer();
}

function readLayer() {
  const [column, r] = layersView.at ?? [], row = layersView.rows?.[r];
  const i = row?.values[column];
  element('layers-reading').textContent = i === undefined ? '' :
    `${row.layer}, iteration ${row.row.x[i].toLocaleString('en-US')}: ${shortNumber(row.row.y[i])}`;
}
