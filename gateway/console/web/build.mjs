// node build.mjs FOLDER: script, style and page, each named by its hash, and packed beside it; map and charts are scripts of
// their own, which come when they are looked at.
//
// All of it together may take so much on its way: what grows is seen here and not at a slow desk.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const PACKED_BYTES_MAX = 160 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];
if (folder === undefined) {
  console.error('build.mjs: expected the folder to write to');
  process.exit(2);
}

const made = await build({
  absWorkingDir: here,
  entryPoints: { app: 'src/main.tsx', style: 'src/all.css' },
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  format: 'esm',
  // The map and the charts come when they are looked at.
  splitting: true,
  entryNames: '[name].[hash]',
  chunkNames: '[name].[hash]',
  target: ['es2021', 'chrome100', 'firefox100', 'safari15'],
  charset: 'utf8',
  legalComments: 'none',
  alias: { leaflet: 'leaflet/dist/leaflet-src.esm.js' },
  loader: { '.png': 'dataurl' },
  jsx: 'automatic',
  jsxImportSource: 'preact',
  outdir: 'out',
});

const files = new Map();
for (const one of made.outputFiles) files.set(basename(one.path), Buffer.from(one.contents));
/** What became of an entry. */
const output = (entry) => Object.entries(made.metafile.outputs).find(([path, { entryPoint }]) => entryPoint === entry && !path.endsWith('.map'));
const address = (path) => `/assets/${basename(path)}`;
const named = (name, ending, bytes) => {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  const full = `${name}.${hash}.${ending}`;
  files.set(full, Buffer.from(bytes));
  return `/assets/${full}`;
};
const [scriptPath, { imports }] = output('src/main.tsx');
const script = address(scriptPath);
const style = address(output('src/all.css')[0]);
/** Parts that the script begins with: fetched beside it, and not after it. */
const parts = imports.filter((one) => one.kind === 'import-statement').map((one) => address(one.path));
const icon = named('icon', 'svg', readFileSync(join(here, 'src/icon.svg')));
named('licenses', 'txt', licenses());
files.set(
  'index.html',
  Buffer.from(`<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>网格哨所</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
${parts.map((part) => `<link rel="modulepreload" href="${part}">\n`).join('')}<script type="module" src="${script}"></script>
</head>
<body>
<div id="app"></div>
<noscript>此页面需要 JavaScript。This page needs JavaScript.</noscript>
</body>
</html>
`),
);

/** Who wrote what is in the script: their terms ask for it. */
function licenses() {
  return ['preact', '@preact/signals', '@preact/signals-core', 'leaflet', 'uplot']
    .map((name) => {
      const at = join(here, 'node_modules', name);
      const { version, license } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'));
      const file = readdirSync(at).find((one) => /^licen[cs]e/i.test(one));
      return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(at, file), 'utf8')}`;
    })
    .join('\n----\n');
}

let packed = 0;
mkdirSync(folder, { recursive: true });
for (const old of readdirSync(folder)) rmSync(join(folder, old), { recursive: true });
for (const [name, bytes] of files) {
  const small = gzipSync(bytes, { level: 9 });
  packed += small.length;
  writeFileSync(join(folder, name), bytes);
  writeFileSync(join(folder, `${name}.gz`), small);
}
const told = `${(packed / 1024).toFixed(1)} KiB of ${PACKED_BYTES_MAX / 1024} KiB, packed`;
if (packed > PACKED_BYTES_MAX) {
  console.error(`console: the page is too large: ${told}`);
  process.exit(1);
}
console.error(`console: ${told}`);
