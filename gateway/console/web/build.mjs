// node build.mjs FOLDER: one script, one style, one page, each named by its hash, and packed beside it.
//
// All of it together may take so much on its way: what grows is seen here and not at a slow desk.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  entryPoints: { app: 'src/main.tsx', style: 'src/style.css' },
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  target: ['es2021', 'chrome100', 'firefox100', 'safari15'],
  charset: 'utf8',
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  outdir: 'out',
});

const files = new Map();
const named = (name, ending, bytes) => {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  const full = `${name}.${hash}.${ending}`;
  files.set(full, Buffer.from(bytes));
  return `/assets/${full}`;
};
const output = (ending) => made.outputFiles.find((file) => file.path.endsWith(ending)).contents;
const script = named('app', 'js', output('.js'));
const style = named('style', 'css', output('.css'));
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
<script type="module" src="${script}"></script>
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
  return ['preact', '@preact/signals', '@preact/signals-core']
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
