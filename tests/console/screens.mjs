// Every screen as a picture, in both languages, colours and three sizes, with the faults that axe-core finds; and how fast.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { api, check, done, logIn, open, press, publish, shoot, until } from './browser.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const SIZES = { desk: { width: 1366, height: 768 }, phone: { width: 360, height: 800 }, wall: { width: 1920, height: 1080 } };

/** Through the debugger: the page's own policy lets no foreign script in. */
export async function faults(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  });
  check(`${where}: ${found.join('\n')}`, found.length === 0);
}

/** Nothing is wider than the screen. */
export async function fits(page, where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
  check(`${where} is wider than the screen`, !wide);
}

async function stage(chrome) {
  // Cases in several states, one from a camera with a picture and a clip.
  const camera = await until('a camera incident with a clip', async () => {
    const { incidents } = await api('GET', '/api/v1/incidents?kind=intrusion');
    return incidents.find((one) => one.evidence.some((piece) => piece.media_type === 'video/mp4'));
  }, 90_000);
  for (const device of ['btn-2', 'btn-3']) await publish(`gridpost/demo/button/${device}`, { device, event: 'heartbeat', battery: 4 });
  await publish('gridpost/demo/button/btn-4', { device: 'btn-4', event: 'heartbeat', tamper: true });
  await press('btn-5');
  const { incidents } = await until('the press', async () => {
    const told = await api('GET', '/api/v1/incidents?kind=emergency-button');
    return told.incidents.length > 0 && told;
  });
  const step = (incident, to, by, more = {}) => api('POST', '/api/v1/replies', { incident, to, by, id: `${incident}-${to}`, ...more });
  await step(incidents[0].incident, 'accepted', '王警官', { note: '五分钟到' });
  await step(incidents[0].incident, 'dispatched', '王警官', { department: '社区警务室' });
  await step(camera.incident, 'accepted', '孙辅警');
  return camera.incident;
}

export async function screens(chrome) {
  const camera = await stage(chrome);
  const looks = [];
  for (const language of ['zh', 'en']) for (const theme of ['dark', 'light']) for (const size of Object.keys(SIZES)) looks.push([language, theme, size]);
  for (const [language, theme, size] of looks.filter(([language, theme, size]) => size !== 'wall' || (language === 'zh' && theme === 'dark'))) {
    const name = `${size}-${language}-${theme}`;
    const page = await open(chrome, { language, theme, size: SIZES[size], touch: size === 'phone' });
    const picture = async (what) => {
      await page.waitForLoadState('networkidle').catch(() => undefined);
      await fits(page, `${name} ${what}`);
      await shoot(page, `${what}-${name}`);
      await faults(page, `${name} ${what}`);
    };
    await page.goto(page.base + '/');
    await page.waitForSelector('[data-token]');
    await picture('1-login');
    await logIn(page);
    await page.waitForSelector('[data-rows] [data-incident]');
    await picture('2-now');
    await page.goto(`${page.base}/#/i/${camera}`);
    await page.waitForSelector('[data-case] video');
    await until('the picture is there', () => page.evaluate(() => [...document.querySelectorAll('.case img')].every((one) => one.complete && one.naturalWidth > 0)));
    await picture('3-incident');
    await page.locator('[data-case] [data-step=dismissed]').click();
    await page.waitForSelector('[data-dialog]');
    await picture('4-dismiss');
    await page.keyboard.press('Escape');
    await page.click('[data-me]');
    await page.waitForSelector('[data-person]');
    await picture('5-who');
    await page.keyboard.press('Escape');
    await page.goto(`${page.base}/#/system`);
    await page.waitForSelector('.scroll table');
    await picture('6-system');
    await page.goto(`${page.base}/#/figures`);
    await page.waitForSelector('.numbers');
    await picture('7-figures');
    await page.goto(`${page.base}/#/`);
    await press('btn-1');
    await page.waitForSelector('[data-urgent]');
    await picture('8-emergency');
    const { incidents } = await api('GET', '/api/v1/incidents?kind=emergency-button&limit=1');
    await api('POST', '/api/v1/replies', { incident: incidents[0].incident, to: 'closed', by: '李警官', id: `end-${name}` });
    await page.waitForSelector('[data-urgent]', { state: 'detached' });
    await done(page);
  }
}

const share = (all, part) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * part))];

/** From the publication of a press until it is on the screen, and until the first paint of a cold page. */
export async function measure(chrome) {
  const paints = [];
  for (let n = 0; n < 5; n += 1) {
    const page = await open(chrome);
    await page.goto(page.base + '/');
    await page.waitForSelector('[data-token]');
    paints.push(await until('a first paint', () => page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime)));
    await done(page);
  }
  const page = await open(chrome);
  await logIn(page);
  await page.evaluate(() => {
    window.seen = new Map();
    new MutationObserver(() => {
      const id = document.querySelector('[data-urgent]')?.dataset.urgent;
      if (id !== undefined && !window.seen.has(id)) window.seen.set(id, Date.now());
    }).observe(document.body, { childList: true, subtree: true, attributes: true });
  });
  const took = [];
  for (let n = 0; n < 60; n += 1) {
    await press(`fast-${n}`);
    const durable = Date.now();
    const id = await until('it is on the screen', () => page.evaluate(() => document.querySelector('[data-urgent]')?.dataset.urgent));
    const seen = await page.evaluate((id) => window.seen.get(id), id);
    took.push(Math.max(0, seen - durable));
    await api('POST', '/api/v1/replies', { incident: id, to: 'closed', by: '李警官', id: `end-${n}` });
    await page.waitForSelector('[data-urgent]', { state: 'detached' });
  }
  await done(page);
  const [p50, p99, paint] = [share(took, 0.5), share(took, 0.99), Math.max(...paints)];
  console.log(`press acknowledged to on screen: p50 ${p50} ms, p99 ${p99} ms of ${took.length}; first paint cold: ${Math.round(share(paints, 0.5))} ms, at most ${Math.round(paint)} ms`);
  check(`p99 is ${p99} ms`, p99 <= 300);
  check(`first paint is ${paint} ms`, share(paints, 0.5) <= 1000);
}
