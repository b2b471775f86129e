// Chromium for the flows: one browser, pages that fail a flow by any error of the console, and presses by MQTT.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const web = need('GRIDPOST_WEB');
export const token = need('GRIDPOST_TOKEN');
export const intake = need('GRIDPOST_INTAKE');
export const screens = process.env.GRIDPOST_SCREENS ?? '';

/** Whatever is waited for comes within this, on a slow machine too. */
export const PATIENCE_MS = 30_000;

function need(name) {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: these flows are run by tests/console.rs`);
  return value;
}

export async function browser() {
  const path = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  if (path === undefined) throw new Error('chromium is not installed; `make setup-test` installs it');
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server', '--lang=zh-CN', '--disable-features=LocalNetworkAccessChecks'] });
}

/** Errors that a flow makes on purpose are named by `allow`. */
export async function open(chrome, { size = { width: 1366, height: 768 }, theme = 'dark', language = 'zh', touch = false, name = '王警官', allow = [], base = web } = {}) {
  const context = await chrome.newContext({ viewport: size, colorScheme: theme, hasTouch: touch, isMobile: touch, locale: 'zh-CN', timezoneId: 'Asia/Shanghai' });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript(
    ([language, name]) => {
      // Only the first time: what is chosen later stays chosen.
      if (localStorage.getItem('gridpost.language') === null) localStorage.setItem('gridpost.language', language);
      if (name !== '' && localStorage.getItem('gridpost.me') === null) localStorage.setItem('gridpost.me', name);
    },
    [language, name],
  );
  if (process.env.GRIDPOST_PAGE !== undefined) await fromFolder(context, process.env.GRIDPOST_PAGE);
  const page = await context.newPage();
  const errors = [];
  const tell = (text) => allow.some((pattern) => pattern.test(text)) || errors.push(text);
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && tell(`${message.text()} ${message.location().url ?? ''}`));
  page.on('pageerror', (error) => tell(`${error.name}: ${error.message}`));
  page.on('dialog', (dialog) => (tell(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  page.errors = errors;
  page.base = base;
  return page;
}

/** For who works on the page: the files of this folder (target/console) in place of those in the program. */
async function fromFolder(context, folder) {
  await context.route(`${web}/`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: readFileSync(`${folder}/index.html`) });
  });
  await context.route(`${web}/assets/*`, (route) => route.fulfill({ path: `${folder}/${new URL(route.request().url()).pathname.slice(8)}` }));
}

export async function logIn(page) {
  await page.goto(page.base + '/');
  await page.fill('[data-token]', token);
  await page.click('[data-login]');
  await page.waitForSelector('[data-link=live]');
}

/** Published and acknowledged: it is on disk. */
export async function publish(topic, payload) {
  const child = spawn('mosquitto_pub', ['-h', '127.0.0.1', '-p', intake, '-q', '1', '-t', topic, '-m', JSON.stringify(payload)], { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`mosquitto_pub ended with ${code}`);
}

let presses = 0;
export async function press(device, more = {}) {
  presses += 1;
  const id = `${process.pid}-${Date.now()}-${presses}`;
  await publish(`gridpost/demo/button/${device}`, { device, event: 'press', id, at: new Date().toISOString(), battery: 87, ...more });
}

export async function api(method, path, body) {
  const answer = await fetch(web + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

export function check(what, fine) {
  if (!fine) throw new Error(what);
}

/** Waits until `fact` gives something true. */
export async function until(what, fact, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await fact();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not so within ${ms / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Closes a page; any error of its console fails the flow. */
export async function done(page) {
  const { errors } = page;
  await page.context().close();
  check(`errors on the page:\n${errors.join('\n')}`, errors.length === 0);
}

export async function shoot(page, name) {
  if (screens !== '') await page.screenshot({ path: `${screens}/${name}.png` });
}
