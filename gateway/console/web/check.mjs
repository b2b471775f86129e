// node check.mjs: what tsc does not see. Words stand in the catalogue alone and each is used; packages are free to ship.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const LICENSES = new Set(['MIT', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', '0BSD']);
const wrong = [];

const sources = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? sources(join(folder, one.name)) : [join(folder, one.name)]));
const all = sources(join(here, 'src')).filter((file) => /\.tsx?$/.test(file));
const texts = new Map(all.map((file) => [relative(here, file), readFileSync(file, 'utf8')]));

// No word of an officer's language outside the catalogue; 、 joins lists.
for (const [name, text] of texts) {
  if (name.startsWith('src/words/')) continue;
  text.split('\n').forEach((line, n) => {
    if (/[\u3400-\u9fff\uff00-\uffef]/.test(line)) wrong.push(`${name}:${n + 1}: a word outside src/words: ${line.trim()}`);
  });
  if (/dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write/.test(text)) wrong.push(`${name}: text must never become markup`);
  if (text.split('\n').length > 300) wrong.push(`${name}: over 300 lines; two reasons to change?`);
}

// Words that the gateway says: each of its lists, read from its source, is whole in the catalogue.
const gateway = join(here, '../..');
const room = (name) => readFileSync(join(gateway, name), 'utf8');
const domain = (name) => readFileSync(join(gateway, 'domain', name), 'utf8');
const kebab = (name) => name.replace(/(?!^)[A-Z]/g, '-$&').toLowerCase();
const variants = (text, name) => [...(new RegExp(`pub enum ${name} \\{([^}]*)\\}`).exec(text)?.[1] ?? '').matchAll(/^ {4}([A-Z]\w*)/gm)].map(([, one]) => kebab(one));
const LISTS = [
  ['source', variants(domain('place.rs'), 'SourceKind')],
  ['device', [...(/DEVICE_STATES[^=]*=\s*\[([^\]]*)\]/.exec(domain('device.rs'))?.[1] ?? '').matchAll(/"([\w-]+)"/g)].map(([, one]) => one)],
  ['step', variants(domain('life.rs'), 'ReplyTo')],
  ['reason', variants(domain('life.rs'), 'DismissReason')],
  ['asked', variants(domain('life.rs'), 'AskFor')],
  ['stage', variants(domain('kind.rs'), 'Stage')],
  ['level', variants(domain('limit.rs'), 'Level')],
  ['limit', variants(domain('limit.rs'), 'LimitStep')],
  ['role', variants(domain('duty.rs'), 'DutyRole')],
  ['account_role', variants(domain('access.rs'), 'AccountRole')],
  // What is wrong, and what helps.
  ['fault', variants(room('console/faults.rs'), 'FaultCode')],
  ['fix', variants(room('console/faults.rs'), 'FaultCode')],
];

// Each key is used: by its name, or as one of a group of words that the gateway says (of a list of its, those that are in it).
const keys = (name) => [...texts.get(name).matchAll(/^ {2}'([\w.-]+)':/gm)].map(([, key]) => key);
const [zh, en] = [keys('src/words/zh.ts'), keys('src/words/en.ts')];
for (const key of zh) if (!en.includes(key)) wrong.push(`${key} has no English`);
for (const key of en) if (!zh.includes(key)) wrong.push(`${key} has no Chinese`);
const code = [...texts].filter(([name]) => !name.startsWith('src/words/')).map(([, text]) => text).join('\n');
const groups = new Set([...code.matchAll(/word\('([\w.]+)'/g)].map(([, group]) => group));
for (const key of zh) {
  const [group, name] = [key.slice(0, key.lastIndexOf('.')), key.slice(key.lastIndexOf('.') + 1)];
  const list = LISTS.find(([of]) => of === group)?.[1];
  const isSaid = groups.has(group) && (!list || list.includes(name) || code.includes(`'${name}'`));
  if (!code.includes(`'${key}'`) && !isSaid) wrong.push(`${key}: nobody says it`);
}
for (const [, key] of code.matchAll(/\bt\('([\w.-]+)'/g)) if (!zh.includes(key)) wrong.push(`${key}: is not in the catalogue`);

for (const [group, names] of LISTS) {
  // A list that is not found any more would be right for ever.
  if (names.length < 3) wrong.push(`the words of ${group}: the gateway's list of them was not found`);
  for (const name of names) if (!zh.includes(`${group}.${name}`)) wrong.push(`${group}.${name}: the gateway says it, and the catalogue has no word`);
}

// What is fetched: terms that leave whoever ships it free, and a lock that names no place.
const lock = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8'));
for (const [path, one] of Object.entries(lock.packages)) {
  if (path === '') continue;
  if (!LICENSES.has(one.license)) wrong.push(`${path}: its licence is ${one.license}`);
  if (one.resolved !== undefined) wrong.push(`${path}: package-lock.json names a place; npm config set omit-lockfile-registry-resolved true`);
  if (one.integrity === undefined) wrong.push(`${path}: has no integrity`);
}

if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
