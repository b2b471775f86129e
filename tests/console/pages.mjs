// Flows over the further screens: the map, the fleet, an incident whole, figures, and the gateway itself.

import { readFileSync } from 'node:fs';
import { api, check, done, logIn, open, press, publish, shoot, until } from './browser.mjs';
import { faults, fits, SIZES } from './screens.mjs';

const go = (page, hash) => page.evaluate((hash) => (location.hash = hash), hash);
const ground = (page) => page.locator('.ground').evaluate((one) => ({ ...one.dataset }));
const kind = (wanted) => api('GET', `/api/v1/incidents?kind=${wanted}`).then((told) => told.incidents);

/** The map is there, with so many things on it. */
async function drawn(page, things) {
  await page.waitForSelector('[data-map=there]');
  return until('the map is drawn', async () => {
    const told = await ground(page);
    return Number(told.things) >= things && told;
  });
}

/** Whether anything but one colour is on the canvas. */
const painted = (page) =>
  page.evaluate(() => {
    const canvas = document.querySelector('.ground canvas');
    const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height }).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let n = 0; n < data.length; n += 4 * 97) colours.add(`${data[n]},${data[n + 1]},${data[n + 2]},${data[n + 3] > 0}`);
    return colours.size;
  });

/** Rain of each of the last hours, the latest now. */
async function rains(gauge, hours) {
  const now = Date.now();
  for (let n = hours.length - 1; n >= 0; n -= 1) {
    const at = new Date(now - n * 3_600_000).toISOString();
    await publish(`gridpost/demo/gauge/${gauge}`, { at, id: `${gauge}-${n}-${now}`, mm: hours[hours.length - 1 - n], period_s: 3600 });
  }
}

/** By the keyboard alone: from an incident to the map and back, to a device, and from there to the map. */
export async function map(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await press('btn-1');
  await page.click('[data-accept]');
  await page.waitForSelector('[data-urgent]', { state: 'detached' });
  const [{ incident }] = await kind('emergency-button');
  await page.waitForTimeout(700); // For as long as a key does not count.
  await page.keyboard.press('j');
  await page.waitForSelector(`[data-case="${incident}"]`);
  await page.keyboard.press('m');
  await page.waitForSelector(`[data-picked="${incident}"]`);
  const told = await drawn(page, 5);
  check(`${told.grids} grids`, Number(told.grids) === 4);
  check('it is painted', (await painted(page)) > 6);
  const before = await painted(page);
  await page.focus('.ground');
  for (let n = 0; n < 3; n += 1) await page.keyboard.press('ArrowDown');
  check('an arrow moves the map and not the page', (await page.evaluate(() => location.hash)).startsWith('#/map/i/') && before > 0);
  await page.click('.card a.main');
  await page.waitForSelector(`[data-case="${incident}"]`);
  await page.click('[data-to-map]');
  await page.waitForSelector(`[data-picked="${incident}"]`);
  await page.keyboard.press('e');
  await page.waitForSelector('.virtual [data-row]');
  await page.fill('[data-search]', 'btn-2');
  await page.click('[data-row="button/btn-2"] a');
  await page.click('[data-device="btn-2"] [data-to-map]');
  await page.waitForSelector('[data-picked="btn-2"]');
  // What is hidden is gone, and comes back.
  const all = Number((await drawn(page, 5)).things);
  await page.click('[data-layer=button]');
  await until('buttons are hidden', async () => Number((await ground(page)).things) < all);
  await page.click('[data-layer=button]');
  await drawn(page, all);
  await done(page);
}

/** A tap on a mark picks what it stands for. */
export async function tap(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await go(page, '#/map/s/btn-3');
  await drawn(page, 5);
  await page.waitForSelector('[data-picked="btn-3"]');
  await go(page, '#/map/s/btn-2');
  await page.waitForSelector('[data-picked="btn-2"]');
  // It lies in the middle now.
  const box = await page.locator('.ground').boundingBox();
  await page.click('[data-fit]');
  await go(page, '#/map/s/btn-3');
  await page.waitForSelector('[data-picked="btn-3"]');
  await page.mouse.click(box.x + box.width / 2 + 150, box.y + box.height / 2 + 60);
  await until('the grid beneath is picked', async () => (await page.getAttribute('[data-picked]', 'data-picked')).startsWith('420100'));
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.waitForSelector('[data-picked="btn-3"]');
  await done(page);
}

/** A drone flies: it moves on every map, and its flight is on the map afterwards. */
export async function drone(chrome) {
  const page = await open(chrome);
  const told = [];
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => String(payload).includes('"drones"') && told.push(JSON.parse(payload))));
  await logIn(page);
  await go(page, '#/map/s/uav-1');
  await page.waitForSelector('[data-picked="uav-1"] .health:has-text("飞行中")');
  await until('it moves', () => new Set(told.flatMap((one) => one.drones.map((drone) => drone.place.join()))).size >= 3);
  await shoot(page, 'map-drone');
  await page.waitForSelector('[data-picked="uav-1"] .health:has-text("未飞行")', { timeout: 60_000 });
  check('the last word is that none flies', told.at(-1).drones.every((drone) => !drone.flying));
  await go(page, '#/devices/uav-1');
  const flight = await page.waitForSelector('[data-flight] a.button');
  await flight.click();
  await until('its way is drawn', async () => Number((await ground(page)).track) >= 2);
  await shoot(page, 'map-flight');
  await done(page);
}

/** How long each frame took while the map was dragged about, milliseconds, sorted. */
async function drags(page) {
  await page.evaluate(() => {
    window.frames_ms = [];
    let last = performance.now();
    const frame = () => {
      const now = performance.now();
      window.frames_ms.push(now - last);
      last = now;
      if (window.frames_ms.length < 400) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const box = await page.locator('.ground').boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let n = 0; n < 40; n += 1) await page.mouse.move(x + 120 * Math.sin(n / 5), y + 80 * Math.cos(n / 7));
  await page.mouse.up();
  return page.evaluate(() => [...window.frames_ms].sort((a, b) => a - b));
}

/** Every screen with thousands of things, and how fast. */
export async function city(chrome) {
  const page = await open(chrome);
  await logIn(page);
  const began = Date.now();
  await go(page, '#/map');
  const told = await drawn(page, 686);
  check(`${told.grids} grids`, Number(told.grids) === 810);
  const drawnMs = Date.now() - began;
  check('it is painted', (await painted(page)) > 3);
  await shoot(page, 'map-city');
  const frames = await drags(page);
  await page.fill('[data-search]', '第777网格');
  await page.click('[data-found="grid/G777"]');
  await page.waitForSelector('[data-picked="G777"]');
  await go(page, '#/devices');
  await page.waitForSelector('.virtual [data-row]');
  const rows = await page.locator('.virtual [data-row]').count();
  check(`${rows} rows are on the page of 686`, rows > 5 && rows < 80);
  check('all of them are said', (await page.getAttribute('[role=table]', 'aria-rowcount')) === '687');
  await page.locator('.virtual').evaluate((box) => (box.scrollTop = box.scrollHeight));
  await until('the last one is there', async () => (await page.locator('.virtual [aria-rowindex="687"]').count()) === 1);
  await shoot(page, 'devices-city');
  console.log(`810 grids and 686 buttons: map drawn after ${drawnMs} ms, a frame while it moves p50 ${frames[frames.length >> 1].toFixed(0)} ms, at most ${frames.at(-1).toFixed(0)} ms`);
  await done(page);
}

/** Silent and weak ones stand first; a gauge shows its day. */
export async function devices(chrome) {
  const page = await open(chrome);
  await publish('gridpost/demo/button/btn-3', { device: 'btn-3', event: 'heartbeat', battery: 4 });
  await publish('gridpost/demo/button/btn-4', { device: 'btn-4', event: 'heartbeat', tamper: true });
  await publish('gridpost/demo/button/btn-5', { device: 'btn-5', event: 'heartbeat', battery: 90 });
  await rains('rain-1', [0, 0, 1.2, 4.8, 12.6, 8.4, 2.2, 0, 0, 0.6]);
  await logIn(page);
  await page.keyboard.press('e');
  await page.waitForSelector('[data-row="button/btn-4"]');
  const first = await until('they are in their order', async () => {
    const all = await page.$$eval('.virtual [data-row]', (rows) => rows.map((row) => [row.dataset.row, row.querySelector('.health').className]));
    const at = (id) => all.findIndex(([row]) => row === id);
    return at('button/btn-4') < at('button/btn-3') && at('button/btn-3') < at('button/btn-5') && all;
  });
  const rank = { 'health ill': 0, 'health weak': 1, 'health unheard': 2, 'health fine': 3 };
  check(`silent and weak ones first: ${JSON.stringify(first)}`, first.every(([, look], n) => n === 0 || rank[first[n - 1][1]] <= rank[look]));
  await page.click('[data-wanted=weak]');
  await until('only weak ones', async () => (await page.$$eval('.virtual .health', (all) => all.map((one) => one.className))).every((look) => look === 'health weak'));
  await page.click('[data-wanted=all]');
  await page.selectOption('[data-kind]', 'gauge');
  await page.click('[data-row="gauge/rain-1"] a');
  await page.waitForSelector('.gauge [data-chart] canvas');
  const { gauges } = await api('GET', '/api/v1/rain');
  const { sums_mm } = gauges.find((one) => one.id === 'rain-1');
  const text = await page.textContent('.gauge');
  check(`the sum of the day, ${sums_mm.day}, in ${text}`, text.includes(`${sums_mm.day.toFixed(1)} mm`) && text.includes('大雨'));
  await page.click('.gauge summary');
  const table = await page.$$eval('.gauge details tbody td:nth-child(2)', (cells) => cells.map((cell) => Number(cell.textContent)));
  const sum = Math.round(table.reduce((all, one) => all + one, 0) * 10) / 10;
  // Hours that began before 08:00 with an unknown day are sums of rounded points.
  check(`the hours are the day: ${sum} and ${sums_mm['24h']}`, Math.abs(sum - sums_mm['24h']) <= 0.3);
  await done(page);
}

/** All sources of an incident on one line, its reason in Chinese, its clip from the line, and on paper. */
export async function incident(chrome) {
  const page = await open(chrome);
  const one = await until('a camera incident with a clip', async () => (await kind('intrusion')).find((one) => one.evidence.some((piece) => piece.media_type === 'video/mp4')), 90_000);
  await logIn(page);
  await go(page, `#/i/${one.incident}`);
  await page.waitForSelector('[data-timeline] [data-lane=clip] rect');
  const lanes = await page.$$eval('[data-lane]', (all) => all.map((lane) => lane.dataset.lane));
  check(`lanes: ${lanes}`, ['camera', 'clip', 'picture'].every((lane) => lanes.includes(lane)));
  const clip = one.evidence.find((piece) => piece.media_type === 'video/mp4');
  const rects = await page.$$eval('[data-lane=clip] rect', (all) => all.map((rect) => [rect.getAttribute('class'), Number(rect.getAttribute('width'))]));
  const width = (wanted) => rects.find(([name]) => name === wanted)?.[1] ?? 0;
  const length = Date.parse(clip.ends_at) - Date.parse(clip.starts_at);
  const share = width('preroll') / (width('preroll') + width('clip'));
  // A clip that begins with the stream has none, and then none is drawn.
  check(`the pre-roll has its share: ${share} of ${clip.pre_roll_ms}/${length}`, Math.abs(share - clip.pre_roll_ms / length) < 0.02);
  await page.click('[data-lane=clip] rect.clip');
  await until('the clip plays from where it began', () => page.locator('.case video').evaluate((video, from) => video.currentTime >= from - 0.5 || video.error !== null, clip.pre_roll_ms / 1000));
  const codes = await page.$$eval('[data-why] [data-code]', (all) => all.map((item) => [item.dataset.code, item.textContent]));
  check(`why: ${JSON.stringify(codes)}`, codes.length > 0 && codes.every(([code, text]) => code !== 'said' && /[\u4e00-\u9fff]/.test(text)));
  check('the record keeps its English', /^rule [\w-]+: .*at once, for [\d.]+ s/.test(await page.textContent('.original p')));
  await page.emulateMedia({ media: 'print' });
  const seen = await page.evaluate(() => Object.fromEntries(['.top', '.foot', '.case video', '.steps', '[data-timeline]', '.case h2'].map((one) => [one, document.querySelector(one)?.checkVisibility() === true])));
  check(`on paper: ${JSON.stringify(seen)}`, !seen['.top'] && !seen['.foot'] && !seen['.case video'] && !seen['.steps'] && seen['[data-timeline]'] && seen['.case h2']);
  await shoot(page, 'incident-print');
  await page.emulateMedia({ media: 'screen' });
  await page.goBack();
  await page.goForward();
  await page.waitForSelector(`[data-case="${one.incident}"]`);
  await done(page);
}

/** More alarms than an officer can deal with: the page says so, and which rule tells most. */
export async function rates(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await page.keyboard.press('3');
  await page.waitForSelector('[data-alarms=fine]');
  await page.waitForSelector('[data-alarms] canvas');
  for (let n = 0; n < 13; n += 1) await press(`rate-${n}`);
  for (const { incident } of await kind('emergency-button')) await api('POST', '/api/v1/replies', { incident, to: 'closed', by: '李警官', id: `end-${incident}` });
  const told = await api('GET', '/api/v1/alarms?hours=2');
  const sum = told.hours.reduce((all, hour) => all + hour.alarms, 0);
  check(`13 alarms and 2 officers: ${JSON.stringify(told)}`, sum >= 13 && told.hours.every((hour) => hour.officers >= 2));
  await page.waitForSelector('[data-urgent]', { state: 'detached' });
  // Who has the page open sees it too, within its half minute; who comes back to it at once.
  await page.keyboard.press('2');
  await page.waitForSelector('[data-alarms]', { state: 'detached' });
  await page.keyboard.press('3');
  // Unless the hour has turned between them, in which case neither may have had too many.
  const many = told.hours.some((hour) => hour.alarms / 2 > told.of_an_officer_max);
  await page.waitForSelector(`[data-alarms=${many ? 'many' : 'fine'}]`);
  await page.waitForSelector('[data-by-day] canvas');
  await done(page);
}

/** Each fault that the gateway can have is said in Chinese, with what helps. */
export async function trouble(chrome) {
  const page = await open(chrome, { allow: [/WebSocket/] });
  const source = readFileSync(new URL('../../gateway/console/faults.rs', import.meta.url), 'utf8');
  const codes = [.../pub enum FaultCode \{([^}]*)\}/.exec(source)[1].matchAll(/^ {4}([A-Z]\w*)/gm)].map(([, name]) => name.replace(/(?!^)[A-Z]/g, '-$&').toLowerCase());
  check(`${codes.length} codes`, codes.length > 25);
  await logIn(page);
  // Something that the sink is owed.
  await publish('gridpost/demo/button/btn-3', { device: 'btn-3', event: 'heartbeat', battery: 4 });
  await page.keyboard.press('2');
  // As it really is: a sink that is down and a broker that is not there.
  for (const code of ['sink', 'broker']) {
    const fault = await page.waitForSelector(`[data-fault=${code}]`);
    check(code, /[\u4e00-\u9fff]/.test(await fault.textContent()));
  }
  check('none without words', (await page.$$('[data-fault=other]')).length === 0);
  await shoot(page, 'system-faults');
  await page.route('**/api/v1/console', async (route) => {
    const answer = await route.fetch();
    const told = await answer.json();
    told.condition.faults = codes.map((code, n) => ({ code, bad: n % 2 === 0, of: 'x', text: `${code}: as it is` }));
    await route.fulfill({ response: answer, json: told });
  });
  await page.routeWebSocket(/\/api\/v1\/changes/, () => undefined);
  await page.reload();
  for (const code of codes) {
    const fault = await page.waitForSelector(`[data-fault=${code}]`);
    const [what, fix] = [await (await fault.$('.what')).textContent(), await (await fault.$('.fix')).textContent()];
    check(`${code}: ${what} ${fix}`, [what, fix].every((text) => /[\u4e00-\u9fff]{2}/.test(text)) && !what.includes(code));
  }
  await done(page);
}

/** Every screen as a picture. */
export async function sheets(chrome) {
  const one = await until('a camera incident with a clip', async () => (await kind('intrusion')).find((one) => one.evidence.some((piece) => piece.media_type === 'video/mp4')), 90_000);
  await publish('gridpost/demo/button/btn-3', { device: 'btn-3', event: 'heartbeat', battery: 4 });
  await publish('gridpost/demo/button/btn-4', { device: 'btn-4', event: 'heartbeat', tamper: true });
  await publish('gridpost/demo/button/btn-2', { device: 'btn-2', event: 'heartbeat', battery: 90 });
  await rains('rain-1', [0, 0, 1.2, 4.8, 12.6, 8.4, 2.2, 0, 0, 0.6, 0, 0, 3, 6.2]);
  await press('btn-5');
  for (const { incident } of await kind('emergency-button')) await api('POST', '/api/v1/replies', { incident, to: 'accepted', by: '王警官', id: `a-${incident}` });
  await api('POST', '/api/v1/replies', { incident: one.incident, to: 'dispatched', by: '孙辅警', department: '社区警务室', note: '两人已出发', id: `d-${one.incident}` });
  // Each language, each theme and each size with two of the others.
  const looks = [['zh', 'dark', 'desk'], ['en', 'light', 'desk'], ['zh', 'light', 'phone'], ['en', 'dark', 'phone']];
  for (const [language, theme, size] of looks) {
    const name = `${size}-${language}-${theme}`;
    const page = await open(chrome, { language, theme, size: SIZES[size], touch: size === 'phone' });
    const picture = async (what) => {
      await page.waitForLoadState('networkidle').catch(() => undefined);
      await fits(page, `${name} ${what}`);
      await shoot(page, `p-${what}-${name}`);
      await faults(page, `${name} ${what}`);
    };
    await logIn(page);
    await go(page, '#/map');
    await drawn(page, 6);
    await picture('1-map');
    await go(page, `#/map/i/${one.incident}`);
    await page.waitForSelector(`[data-picked="${one.incident}"]`);
    await picture('2-map-incident');
    await go(page, '#/devices');
    await page.waitForSelector('.virtual [data-row]');
    await picture('3-devices');
    await go(page, '#/devices/rain-1');
    await page.waitForSelector('.gauge [data-chart] canvas');
    await picture('4-gauge');
    await go(page, '#/devices/square');
    await page.waitForSelector('[data-device=square]');
    await picture('5-camera');
    await go(page, `#/i/${one.incident}`);
    await page.waitForSelector('[data-timeline]');
    await page.locator('[data-timeline]').scrollIntoViewIfNeeded();
    await picture('6-line');
    await page.locator('.why').scrollIntoViewIfNeeded();
    await picture('7-why');
    await go(page, '#/figures');
    await page.waitForSelector('[data-alarms] canvas');
    await picture('8-figures');
    await page.locator('[data-alarms]').scrollIntoViewIfNeeded();
    await picture('8-figures-alarms');
    await go(page, '#/system');
    await page.waitForSelector('.tile');
    await picture('9-system');
    await page.locator('.tiles').scrollIntoViewIfNeeded();
    await picture('9-system-below');
    await done(page);
  }
}
